"""Roles are enforced by the services, whoever calls them; sessions end."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import app
from app.access import LOCAL, Actor, Role
from app.access.sessions import Sessions
from app.calibration import clear, keep
from app.photos import Upload
from app.services import Services
from pipeline.config import Settings
from pipeline.errors import NotAllowedError
from pipeline.gallery import Gallery
from tests import fakes

CHANGES: dict[str, tuple[Role, Callable[[Services], Any]]] = {
    "enrol": (Role.OPERATOR, lambda s: s.enrol("Ada", [])),
    "enrol_many": (Role.OPERATOR, lambda s: list(s.enrol_many([]))),
    "enrol_faces": (Role.OPERATOR, lambda s: s.enrol_faces("Ada", s.recognizer.analyse(s.open(Upload("a", b""))))),
    "undo": (Role.OPERATOR, lambda s: s.undo([])),
    "rename": (Role.OPERATOR, lambda s: s.rename("Grace", "Hopper")),
    "merge": (Role.OPERATOR, lambda s: s.merge("Grace", "Ada")),
    "split": (Role.OPERATOR, lambda s: s.split([], "Ada")),
    "export": (Role.OPERATOR, lambda s: s.export("Grace")),
    "calibration": (Role.OPERATOR, lambda s: keep(s, [])),
    "no calibration": (Role.OPERATOR, clear),
    "tune": (Role.OPERATOR, lambda s: s.tune(0.5, 0.9, 60, print)),
    "remove": (Role.ADMIN, lambda s: s.remove("Grace")),
    "repair": (Role.ADMIN, lambda s: s.check(repair=True)),
    "compact": (Role.ADMIN, lambda s: s.compact()),
    "backup": (Role.ADMIN, lambda s: s.backup(Path("nowhere"))),
    "restore": (Role.ADMIN, lambda s: s.restore(Path("nowhere"))),
}


@pytest.fixture
def services(tmp_path: Path) -> Services:
    made = Services(Settings(home=tmp_path))
    made._recognizer = fakes.fake_recognizer()
    made._gallery = Gallery.open(tmp_path / "gallery", fakes.MODEL_ID, fakes.DIMENSION)
    made.__dict__["points"] = fakes.points()
    return made


@pytest.mark.parametrize("name", CHANGES)
def test_a_role_that_is_too_weak_is_refused_before_anything_happens(services: Services, name: str) -> None:
    needed, change = CHANGES[name]
    generation = services.gallery.generation
    for role in Role:
        if role < needed:
            acting = services.acting_as(Actor("eve", role))
            if name == "enrol_faces":
                faces = fakes.fake_recognizer().analyse(_photo())
                with pytest.raises(NotAllowedError, match=r"^eve is a viewer, and this takes an operator"):
                    acting.enrol_faces("Ada", faces)
            else:
                with pytest.raises(NotAllowedError, match=rf"this takes an {needed.label}: ask an admin"):
                    change(acting)
    assert services.gallery.generation == generation
    services.close()


def _photo() -> Any:
    from pipeline.images import from_array

    return from_array(fakes.bars(fakes.RED), "a.png")


def test_what_the_role_allows_is_done_in_the_one_gallery(services: Services) -> None:
    operator = services.acting_as(Actor("ada", Role.OPERATOR))
    rows = [operator.enrol_faces("Grace", fakes.fake_recognizer().analyse(_photo()))]
    assert services.gallery.subject("Grace").info.samples == 1
    viewer = operator.acting_as(Actor("eve", Role.VIEWER))
    assert viewer.identify_faces(fakes.fake_recognizer().analyse(_photo())).decisions[0].subject == "Grace"
    assert operator.undo(rows) == 1
    assert len(viewer.gallery) == 0
    assert (viewer.gallery.actor, operator.gallery.actor) == ("eve", "ada")
    assert viewer.points is services.points
    viewer.close()
    assert services._gallery is None


def test_whoever_sits_at_the_machine_may_do_everything() -> None:
    assert LOCAL.role is Role.ADMIN
    assert LOCAL.name
    assert Role.VIEWER < Role.OPERATOR < Role.ADMIN
    assert [Role.named(role.label) for role in Role] == list(Role)
    with pytest.raises(ValueError, match="viewer, operator or admin"):
        Role.named("root")


_CHANGING = {
    "enrol",
    "enrol_many",
    "remove",
    "remove_sample",
    "rename",
    "merge",
    "split",
    "export",
    "backup",
    "compact",
}
_CHANGING |= {"put_document", "update_document", "drop_document", "tune", "restore"}


@pytest.mark.parametrize("folder", ["web", "cli"])
def test_no_page_and_no_command_goes_around_the_services(folder: str) -> None:
    """Neither `gallery.remove(...)` nor `Gallery.restore(...)` stands in a page or a command."""
    found = []
    for file in (Path(app.__file__).parent / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in _CHANGING:
                owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
                if owner in {"gallery", "Gallery"}:
                    found.append(f"{file.name}:{node.lineno} {owner}.{node.attr}")
    allowed = {name for name in found if name.startswith("main.py") or name.split(" ")[1] == "gallery.app"}
    assert set(found) <= allowed, found


def test_a_session_ends_by_time_and_by_logging_out() -> None:
    now = [0.0]
    sessions = Sessions(idle_s=10, longest_s=25, now=lambda: now[0])
    ada = Actor("ada", Role.VIEWER)
    token = sessions.open(ada, mark="m")
    assert sessions.find(token) == (ada, "m")
    assert sessions.find(token + "x") is None
    now[0] = 9
    assert sessions.find(token, use=False) == (ada, "m")
    now[0] = 10
    assert sessions.find(token) == (ada, "m")
    now[0] = 19
    assert sessions.find(token) == (ada, "m")
    now[0] = 26
    assert sessions.find(token) is None, "25 seconds are the longest, however much it is used"
    token = sessions.open(ada)
    now[0] += 11
    assert sessions.find(token) is None, "idle"
    token, other = (sessions.open(ada, mark="m") for _ in range(2))
    assert token != other
    sessions.close(token)
    assert sessions.find(token) is None
    assert sessions.find(other) is not None


def test_sessions_are_limited_in_number_and_keep_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.access.sessions._MOST", 3)
    sessions = Sessions(10, 10, lambda: 0.0)
    tokens = [sessions.open(Actor(str(number), Role.VIEWER)) for number in range(5)]
    assert [sessions.find(token) is not None for token in tokens] == [False, False, True, True, True]
    assert not any(token.encode() in key for token in tokens for key in sessions._open)
