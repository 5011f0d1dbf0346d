"""Logging in as each role, and what a role, a language and an ended session look like in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.access import Role
from app.access.users import Users
from tests.browser.conftest import home_of_its_own, serving
from tests.browser.test_server import reply, upgrade
from tests.browser.test_web import button, enrol, settled, upload

pytestmark = pytest.mark.browser

GOOD = "correct horse battery"


@pytest.fixture(scope="module")
def home(models_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = home_of_its_own(tmp_path_factory.mktemp("guarded"), models_home)
    users = Users(made)
    for role in Role:
        users.add(f"the.{role.label}", role, GOOD)
    return made


@pytest.fixture(scope="module")
def guarded(home: Path) -> Iterator[str]:
    """A server with a user of each role, which other machines could reach."""
    with serving(home.parent, home, "--address", "0.0.0.0") as url:  # noqa: S104
        yield url


@pytest.fixture(scope="module")
def photos(sample_photos: Path) -> dict[str, Path]:
    return {file.stem: file for file in sample_photos.rglob("*") if file.is_file()}


def log_in(page: Page, url: str, user: str, password: str = GOOD) -> None:
    page.goto(url)
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(password)
    button(page, "Log in").click()


def entries(page: Page) -> list[str]:
    """What the list of pages offers."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    links = page.locator("[data-testid=stSidebarNavLink]")
    expect(links.first).to_be_visible()
    return [text.strip() for text in links.all_inner_texts()]


@pytest.mark.parametrize(("user", "enrols"), [("the.viewer", False), ("The.Operator", True), ("the.admin", True)])
def test_each_role_logs_in_and_sees_its_pages(page: Page, guarded: str, user: str, enrols: bool) -> None:
    log_in(page, guarded, user)
    found = entries(page)
    assert ("Enrol" in found) is enrols
    assert {"Verify", "Identify", "Gallery"} <= set(found)
    role = user.split(".")[1].lower()
    expect(page.get_by_text(f"{user.lower()}, {role}")).to_be_visible()
    page.get_by_role("link", name="Log out").click()
    expect(page.get_by_text("You have logged out.")).to_be_visible()
    page.goto(f"{guarded}/gallery")
    expect(page.get_by_label("Password")).to_be_visible()


def test_a_wrong_password_says_so_and_keeps_the_name(page: Page, guarded: str) -> None:
    log_in(page, guarded, "the.viewer", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong.")
    expect(page.get_by_label("User")).to_have_value("the.viewer")
    page.get_by_label("Password").fill(GOOD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Knownface")).to_be_visible()


def test_two_roles_at_once_and_what_a_viewer_may_not(
    page: Page, browser: Browser, guarded: str, photos: dict[str, Path]
) -> None:
    log_in(page, guarded, "the.operator")
    expect(page.get_by_role("heading", name="Knownface")).to_be_visible()
    enrol(page, guarded, "Barack Obama", photos["barack-obama-2012"])
    with browser.new_context() as other:
        viewer = other.new_page()
        log_in(viewer, f"{guarded}/gallery", "the.viewer")
        button(viewer, "Open").click()
        expect(viewer.get_by_role("heading", name="Barack Obama")).to_be_visible()
        settled(viewer)
        expect(viewer.get_by_role("button", name="Back to everybody")).to_be_visible()
        for change in ("Rename", "Merge", "Remove"):  # refused by the services too: tests/app/access
            expect(viewer.locator("summary", has_text=change)).to_have_count(0)
        viewer.goto(f"{guarded}/identify")
        upload(viewer, photos["barack-obama-2010"])
        expect(viewer.locator(".kf-face h2")).to_contain_text("Barack Obama")
    page.goto(f"{guarded}/gallery")
    button(page, "Open").click()
    for change in ("Rename", "Merge"):
        expect(page.locator("summary", has_text=change)).to_be_visible()
    expect(page.locator("summary", has_text="Remove")).to_have_count(0)


def test_a_user_who_is_removed_is_out_at_the_next_click(page: Page, guarded: str, home: Path) -> None:
    Users(home).add("the.guest", Role.VIEWER, GOOD)
    log_in(page, f"{guarded}/verify", "the.guest")
    expect(page.get_by_role("heading", name="Verify")).to_be_visible()
    Users(home).remove("the.guest")
    settled(page)
    page.locator("[data-testid=stSidebarNavLink]", has_text="Gallery").click()
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    page.get_by_role("link", name="Log in").click()
    expect(page.get_by_label("Password")).to_be_visible()


def test_nothing_is_served_before_logging_in(guarded: str) -> None:
    port = int(guarded.rsplit(":", 1)[1])
    own = f"127.0.0.1:{port}"
    assert upgrade(port, own, f"Origin: http://{own}") == 403
    assert reply(port, "/gallery", own).startswith("http/1.1 303")
    for part in ("/_stcore/host-config", "/media/x", "/_stcore/script-health-check"):
        assert reply(port, part, own).startswith("http/1.1 401"), part
    assert reply(port, "/login", "evil.com").startswith("http/1.1 403")
    assert reply(port, "/login", own).startswith("http/1.1 200")


def test_a_chinese_browser_gets_a_chinese_page_and_may_choose_english(browser: Browser, guarded: str) -> None:
    with browser.new_context(locale="zh-CN") as context:
        page = context.new_page()
        page.goto(f"{guarded}/verify")
        expect(page.get_by_role("button", name="登录")).to_be_visible()
        page.get_by_label("用户").fill("the.viewer")
        page.get_by_label("密码").fill(GOOD)
        page.get_by_role("button", name="登录").click()
        expect(page.get_by_role("heading", name="比对")).to_be_visible()
        settled(page)
        page.get_by_text("English", exact=True).click()
        expect(page.get_by_role("heading", name="Verify")).to_be_visible()
        expect(page.locator("[data-testid=stSidebarNavLink]", has_text=re.compile("^Gallery$"))).to_be_visible()
