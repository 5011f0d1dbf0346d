"""Looking after Knownface in a browser: thresholds, another model, the log; and who may do any of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.access import Role
from app.access.users import Users
from app.services import Services
from pipeline.config import Settings
from pipeline.gallery import Anchor, Scribe
from tests.app.switch_world import NEW, OLD, install, open_by, samples
from tests.browser.conftest import serving
from tests.browser.test_access import GOOD, entries, log_in
from tests.browser.test_web import button, settled

pytestmark = pytest.mark.browser

PEOPLE = [(f"Made up {number:02}", sample) for number in range(60) for sample in range(3)]


@pytest.fixture(scope="module")
def home(models_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the models, two small embedders, a user of each role, and people enrolled from made crops."""
    folder = tmp_path_factory.mktemp("look-after")
    made = folder / "home"
    (made / "models").mkdir(parents=True)
    for model in (models_home / "models").iterdir():
        if model.is_dir() and "." in model.name:
            (made / "models" / model.name).symlink_to(model, target_is_directory=True)
    settings = Settings(home=made, embedder=OLD, workers=1, gallery=str(folder / "gallery"))
    old_id = install(settings, folder / "files", OLD, 1)
    install(settings, folder / "files", NEW, 2)
    (made / "settings.toml").write_text(f'embedder = "{OLD}"\nworkers = 1\n')
    with open_by(settings, old_id, scribe=Scribe("the.admin", Anchor(made))) as gallery:
        gallery.enrol_many(samples(settings, PEOPLE))
        gallery.keep_model()
    for role in Role:
        Users(made).add(f"the.{role.label}", role, GOOD)
    return made


@pytest.fixture(scope="module")
def guarded(home: Path) -> Iterator[str]:
    with serving(home.parent, home) as url:
        yield url


def visit(page: Page, title: str) -> None:
    settled(page)
    page.locator("[data-testid=stSidebarNavLink]", has_text=re.compile(f"^{title}$")).click()
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()


def test_an_operator_calibrates_and_saves(page: Page, guarded: str, home: Path) -> None:
    log_in(page, f"{guarded}/calibrate", "the.operator")
    expect(page.get_by_text("People: 60, photos: 180.")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    refused = page.get_by_role("alert").filter(has_text="These people cannot show such a rate")
    expect(refused).to_be_visible()
    thumb = page.get_by_role("slider").first
    thumb.focus()
    for _ in range(2):  # 0.1 %, 0.3 %, 1 %: by the keyboard alone
        page.keyboard.press("ArrowLeft")
    expect(page.get_by_text(re.compile("With 95 % certainty no more than"))).to_be_visible()
    settled(page)
    button(page, "Use this threshold").click()
    saved = page.get_by_role("status").filter(has_text="Saved: the threshold")
    expect(saved).to_be_visible()
    expect(page.get_by_text(re.compile("your calibration of .* on 60 people"))).to_be_visible()
    charts = page.get_by_text(re.compile("Half of the comparisons of different people score below"))
    expect(charts.first).to_be_visible()


def test_a_model_is_switched_while_the_page_is_left(page: Page, guarded: str, home: Path) -> None:
    log_in(page, f"{guarded}/models", "the.admin")
    button(page, "Who could be left behind?").click()
    expect(page.get_by_text("Nobody is left behind: all 60")).to_be_visible()
    settled(page)
    button(page, f"Change to {NEW}").click()
    expect(page.get_by_text(re.compile(f"(Changing to )?{NEW}.*: "))).not_to_have_count(0)
    visit(page, "Gallery")
    page.goto(f"{guarded}/models")
    expect(page.get_by_text(re.compile(rf"{NEW}@[0-9a-f]+: done"))).to_be_visible()
    used = page.locator(".kf-model", has_text=NEW).locator(".kf-tag")
    expect(used).to_have_text("in use")
    button(page, f"Go back to {OLD}").click()
    expect(page.get_by_text(re.compile(rf"{OLD}@[0-9a-f]+: done"))).to_be_visible()
    expect(page.locator(".kf-model", has_text=OLD).locator(".kf-tag")).to_have_text("in use")


def test_an_admin_verifies_the_log_and_finds_who_did_what(page: Page, guarded: str) -> None:
    log_in(page, f"{guarded}/audit", "the.admin")
    expect(page.locator(".kf-entry").first).to_contain_text("the.admin")
    button(page, "Verify the log").click()
    expect(page.get_by_role("status").filter(has_text="The log is whole:")).to_be_visible()
    settled(page)
    with page.expect_download() as waiting:
        button(page, "As JSON Lines, signed").click()
    lines = Path(waiting.value.path()).read_text(encoding="utf-8").splitlines()
    assert '"action": "enrol"' in "".join(lines)
    assert '"signature"' in lines[-1]
    page.get_by_text("Users", exact=True).click()
    expect(page.locator(".kf-row", has_text="the.operator")).to_be_visible()


def test_each_role_sees_and_reaches_only_what_it_may(page: Page, guarded: str, home: Path) -> None:
    log_in(page, guarded, "the.viewer")
    found = set(entries(page))
    assert {"Models"} <= found
    assert not {"Calibrate", "Audit & settings", "Enrol"} & found
    visit(page, "Models")
    expect(page.get_by_text("Changing models takes an admin.")).to_be_visible()
    expect(page.get_by_role("button", name="Who could be left behind?")).to_have_count(0)
    for address in ("audit", "calibrate"):
        page.goto(f"{guarded}/{address}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("heading", name=re.compile("Audit|Calibrate"))).to_have_count(0)
    page.goto(f"{guarded}/models")
    page.get_by_role("link", name="Log out").click()
    log_in(page, guarded, "the.operator")
    found = set(entries(page))
    assert {"Calibrate", "Models"} <= found
    assert "Audit & settings" not in found
    services = Services(Settings(home=home, gallery=str(home.parent / "gallery")))
    actions = [(entry.action, entry.actor) for entry in services.audit()]
    services.close()
    assert "the.viewer" not in {actor for action, actor in actions if action not in ("login", "logout")}
