"""Models: what is installed, who would be left behind, and the change as a job that outlives the page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import model_jobs
from app.access import Actor, Role
from app.services import Services
from app.web import state
from pipeline.config import Settings
from pipeline.errors import JobError, NotAllowedError
from tests.app.switch_world import NEW, OLD, install, open_by, samples
from tests.app.web.conftest import seen

PEOPLE = [(f"p{number}", sample) for number in range(8) for sample in range(2)]


class World:
    """A gallery enrolled with one embedder, and another one that is installed too."""

    def __init__(self, folder: Path, home: Path, *, crops: bool) -> None:
        settings = Settings(embedder=OLD, workers=1)
        self.old_id, self.new_id = install(settings, folder, OLD, 1), install(settings, folder, NEW, 2)
        (home / "settings.toml").write_text(f'embedder = "{OLD}"\nworkers = 1\n')
        with open_by(settings, self.old_id) as gallery:
            gallery.enrol_many(samples(settings, PEOPLE, crops=crops))
            gallery.keep_model()
        self.services = Services(settings)

    def ended(self) -> model_jobs.Standing:
        until = time.monotonic() + 180
        while (now := model_jobs.standing(self.services)).busy:
            assert time.monotonic() < until, now
            time.sleep(0.05)
        return now


@pytest.fixture
def make(tmp_path: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def world(*, crops: bool = True) -> World:
        made.append(World(tmp_path, isolated_home, crops=crops))
        monkeypatch.setattr(state, "services", lambda: made[0].services)
        monkeypatch.setattr(state, "follow_choice", lambda: None)
        return made[0]

    yield world
    for one in made:
        one.services.close()


def opened() -> AppTest:
    at = AppTest.from_string("from app.web import page_models\npage_models.show()", default_timeout=180).run()
    assert not at.exception
    return at


def test_a_switch_goes_on_without_the_page_and_comes_back(make: Callable[..., World]) -> None:
    world = make()
    at = opened()
    assert "arcface.old" in seen(at)
    assert "knownface models pull NAME" in [code.value for code in at.code]
    assert not [button for button in at.button if button.key == "models_go"], "first who would be left behind"
    at.button(key="models_check").click().run()
    assert "Nobody is left behind: all 8" in seen(at)
    at.button(key="models_go").click().run()
    assert world.ended().state == "done"
    at = opened()
    assert f"{world.new_id}: done" in seen(at)
    assert world.services.gallery.model_id == world.new_id
    actions = [(entry.action, entry.actor) for entry in world.services.gallery.audit(action="model_job")]
    assert actions == [("model_job", world.services.actor.name)]
    at.button(key="models_rollback").click().run()
    assert world.ended().state == "done"
    assert world.services.gallery.model_id == world.old_id


def test_who_would_be_left_behind_is_listed_and_has_to_be_agreed_to(make: Callable[..., World]) -> None:
    world = make(crops=False)
    at = opened()
    at.button(key="models_check").click().run()
    assert "8 of 8 people, with 16 photos, cannot be looked at" in seen(at)
    assert "photos/p0-0.png" in seen(at)
    assert at.button(key="models_go").disabled
    at.checkbox(key="models_leave").check().run()
    assert not at.button(key="models_go").disabled
    assert model_jobs.standing(world.services).state == "none"


def test_a_change_that_is_refused_says_why(make: Callable[..., World]) -> None:
    world = make(crops=False)
    model_jobs.use(world.services, NEW)
    now = world.ended()
    assert now.state == "refused"
    assert "cannot be embedded" in now.message
    assert "it did not go on, and nothing has changed" in seen(opened())
    assert world.services.gallery.model_id == world.old_id


@pytest.mark.slow
def test_a_change_that_was_stopped_is_gone_on_with(make: Callable[..., World]) -> None:
    world = make()
    work = world.services.gallery.switching()
    model_jobs.use(world.services, NEW)
    model_jobs.stop(world.services)
    world.ended()
    work.note({"from": world.old_id, "to": world.new_id, "total": 16, "done": 4, "state": "embedding"} | soon())
    at = opened()
    assert "stopped; what was done is kept" in seen(at)
    at.button(key="models_go_on").click().run()
    assert world.ended().state == "done"
    assert world.services.gallery.model_id == world.new_id


def soon() -> dict[str, int]:
    return {"started_us": time.time_ns() // 1000}


def test_only_an_admin_changes_models_and_one_at_a_time(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make()
    operator = world.services.acting_as(Actor("olga", Role.OPERATOR))
    for act in (
        lambda: model_jobs.use(operator, NEW),
        lambda: model_jobs.rollback(operator),
        lambda: model_jobs.stop(operator),
        lambda: model_jobs.go_on(operator),
        lambda: model_jobs.expected(operator, NEW),
    ):
        with pytest.raises(NotAllowedError):
            act()
    monkeypatch.setattr(state, "services", lambda: operator)
    at = opened()
    assert "Changing models takes an admin." in seen(at)
    assert not at.button
    with world.services.gallery.switching().alone():
        world.services.gallery.switching().note({"to": NEW, "state": "embedding", "done": 0, "total": 16} | soon())
        assert "everybody is looked at with it" in seen(opened())
        with pytest.raises(JobError):
            model_jobs.use(world.services, NEW)
