"""Every address of the service has a verb of the client, or is left out for a reason; what the newer verbs answer."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from app import jobs
from app.access import Actor, Role
from app.api.application import make_app
from app.api.state import State
from app.client import Client, FaceService, Local, Retry, RunFace, model_verbs, right_verbs, run_verbs, verbs
from app.client.core import Begin, Do, End, How, Send, Way, following
from app.unknowns import assign_clusters
from pipeline.errors import (
    CalibrationError,
    JobError,
    ModelError,
    NotAllowedError,
    PhotoUnreadableError,
    RunNotFoundError,
    SubjectNotFoundError,
    UnknownClusterError,
)
from tests.api_server import key_for, made_state
from tests.fakes import RED, write_bars
from tests.loopback import Blocking, serving
from tests.made_runs import made_run

MODULES: tuple[ModuleType, ...] = (verbs, right_verbs, run_verbs, model_verbs)
#: Of the service, and no verb of the client.
LEFT_OUT = {
    ("get", "/healthz"): "for whoever watches the process: a script that wants to know asks `ready`",
    ("get", "/metrics"): "for Prometheus, which reads it itself",
    ("post", "/v1/challenges"): "for the page or app in front of which somebody moves their head",
    ("post", "/v1/challenges/{challenge}/video"): "likewise: it sends what its camera saw",
}
_WORDS: dict[str, Any] = {"photos": [b"x"], "a": b"x", "b": b"x", "sample_ids": ["s"], "face_ids": ["f"]}


def verbs_of() -> dict[str, Callable[..., Any]]:
    named = {name: one for module in MODULES for name, one in inspect.getmembers(module, inspect.isfunction)}
    return {
        name: named[name]
        for name in vars(FaceService) | {n: 0 for b in FaceService.__mro__ for n in vars(b)}
        if name in named
    }


def asked(verb: Callable[..., Any]) -> tuple[str, str]:
    """The method and the path of a verb's first request."""
    from pipeline.gallery import NewConsent

    words = _WORDS | {"new": NewConsent("door") if verb is right_verbs.consent else "Bob"}
    needed = [one.name for one in inspect.signature(verb).parameters.values() if one.default is one.empty]
    steps = verb(*[words.get(name, "x") for name in needed])
    effect = following(steps)
    while not isinstance(effect, (Send, Begin)):
        assert not isinstance(effect, End), verb
        way = Way(Retry(), httpx.URL("http://x"))
        effect = following(steps, way if isinstance(effect, How) else effect.act() if isinstance(effect, Do) else None)
    steps.close()
    return ("get", effect.path) if isinstance(effect, Begin) else (effect.call.method.lower(), effect.call.path)


def test_every_address_has_a_verb_or_a_reason(tmp_path: Path) -> None:
    state = made_state(tmp_path)
    document = make_app(state).openapi()
    state.close()
    addresses = {(method, path) for path, its in document["paths"].items() for method in its}
    assert len(addresses) > 45

    def address_of(method: str, path: str) -> tuple[str, str]:
        fitting = [
            one for one in addresses if one[0] == method and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", one[1]), path)
        ]
        return min(fitting, key=lambda one: one[1].count("{"))  # a fixed word comes before a name

    covered = {name: address_of(*asked(verb)) for name, verb in verbs_of().items()}
    assert set(covered) == {name for name in dir(FaceService) if not name.startswith("_")} - {"close"}
    assert len(set(covered.values())) == len(covered), "two verbs ask the same"
    assert set(LEFT_OUT) <= addresses
    assert addresses - set(covered.values()) == set(LEFT_OUT)


def test_help_shows_the_arguments_and_results_of_both_clients() -> None:
    signature = inspect.signature(Client.identify)
    assert str(signature).endswith("-> 'Iterator[Identification]'")
    assert list(signature.parameters) == ["self", "photos", "allow_repeats"]
    assert Client.identify.__doc__ == FaceService.identify.__doc__


# --- what the newer verbs answer, in each way -----------------------------------------------------------------

Open = Callable[[Role], FaceService]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return made_state(tmp_path)


@pytest.fixture(params=["local", "client", "async"])
def opened(request: pytest.FixtureRequest, state: State) -> Iterator[Open]:
    """Opens the service by one of the ways, for a role."""
    with ExitStack() as stack:
        if request.param == "local":
            stack.callback(state.close)
            yield lambda role: Local(state.services.acting_as(Actor(role.label, role)))
            return
        url = stack.enter_context(serving(state))
        kind: Any = Client if request.param == "client" else Blocking
        yield lambda role: stack.enter_context(kind(url, key=key_for(state, role, role.label)))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Command lines of jobs, which are not begun."""
    calls: list[list[str]] = []
    monkeypatch.setattr(jobs.Job, "start", lambda _, words, *__, **___: calls.append(list(words)))
    return calls


def test_who_asks_and_who_is_held(opened: Open, tmp_path: Path) -> None:
    face = opened(Role.ADMIN)
    assert (face.me().name, face.me().role) == ("admin", "admin")
    assert face.holds() == []
    face.enrol("Ada", [write_bars(tmp_path / "a.png", RED)])
    until = datetime(2030, 1, 2, tzinfo=UTC)
    face.hold("Ada", "case 4711", until)
    (held,) = face.holds()
    assert (held.subject, held.reason, held.until, held.actor) == ("Ada", "case 4711", until, "admin")
    assert held.placed.tzinfo is not None


def test_small_pictures(opened: Open, state: State, tmp_path: Path) -> None:
    face = opened(Role.ADMIN)
    face.enrol("Ada", [write_bars(tmp_path / "a.png", RED)])
    for missing in ("Ada", "Bob"):  # keep_crops is off; nobody is called so
        with pytest.raises(SubjectNotFoundError):
            face.picture(missing)
    state.services.settings = state.services.settings.model_copy(update={"keep_crops": True})
    opened(Role.OPERATOR).enrol("Cy", [write_bars(tmp_path / "c.png", RED, note=3)])
    assert face.picture("Cy").startswith(b"\x89PNG")
    run = made_run(state.services.settings.home, "summer", {"/p/a.jpg": ["ada", "bob"], "/p/b.jpg": ["ada#2"]})
    run.decide(state.services)
    assign_clusters(run, state.services)
    row, *_ = face.results("summer")
    assert isinstance(row, RunFace)
    assert face.face_picture("summer", row.face_id)[:2] == b"\xff\xd8"
    cluster = max(face.unknowns(everybody=True), key=lambda one: one.faces)
    assert face.unknown_picture(cluster.cluster)[:2] == b"\xff\xd8"
    with pytest.raises(RunNotFoundError):
        face.face_picture("summer", "none-1")
    with pytest.raises(UnknownClusterError):
        face.unknown_picture("U-9999")


def test_a_calibration_is_asked_for(opened: Open, tmp_path: Path, started: list[list[str]]) -> None:
    face = opened(Role.OPERATOR)
    assert face.calibration_job().state == "none"
    with pytest.raises(CalibrationError, match="nobody is enrolled"):
        face.calibrate()
    face.enrol("Ada", [write_bars(tmp_path / "a.png", RED)])
    assert face.calibrate(fmr=[0.001], fpir=(0.01,), size=[5]).state == "none", "the job was not begun"
    assert started == [["calibrate", "--fmr", "0.001", "--fpir", "0.01", "--size", "5"]]
    with pytest.raises(PhotoUnreadableError):
        face.calibrate(folder=tmp_path / "nowhere")
    assert face.stop_calibration().message == ""
    assert face.clear_calibration() is False


def test_a_change_of_models_is_asked_for(opened: Open, started: list[list[str]]) -> None:
    face = opened(Role.ADMIN)
    assert (face.model_change().state, face.stop_change().busy) == ("none", False)
    for verb in (face.rollback_model, face.resume_change):
        with pytest.raises(JobError):
            verb()
    with pytest.raises(ModelError):
        face.change_model("no.such")
    assert face.change_model("none").state == "none", "the job was not begun"
    assert started == [["models", "use", "none"]]
    known = {one.name: one for one in face.models()}
    assert known["sface.2021dec"].task == "embedder"
    assert {one.installed for one in known.values()} == {False}
    with pytest.raises(NotAllowedError):
        opened(Role.VIEWER).change_model("none")
