"""Audit & settings: the log, retention, the policy, users and settings; for admins only."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.access import LOCAL, Actor, Role
from app.audit_export import written
from app.policy import profile_file
from app.services import Services
from app.staff import Staff
from app.web import audit_parts, guard, state
from pipeline.errors import LastAdminError, NotAllowedError
from pipeline.gallery import NewConsent
from pipeline.gallery.engine import DATABASE
from tests.app.web.conftest import Page, said, seen
from tests.fakes import GREEN, RED

GOOD = "correct horse battery"


def part(page: Page, name: str) -> AppTest:
    at = page("audit")
    at.segmented_control(key="audit_part").set_value(name).run()
    assert not at.exception
    return at


def numbers(at: AppTest) -> list[int]:
    return [int(found) for found in re.findall(r"kf-entry\"><small>(\d+) ·", said(at))]


# --- the log ------------------------------------------------------------------------------------------------------


def test_the_newest_entries_come_first_in_pages_and_can_be_filtered(page: Page, services: Services) -> None:
    for number in range(60):
        services.acting_as(Actor(f"user{number % 2}", Role.ADMIN)).gallery.record("login" if number % 3 else "logout")
    total = len(list(services.audit()))
    at = page("audit")
    assert numbers(at) == list(range(total, total - 25, -1))
    at.button(key="audit_older").click().run()
    assert numbers(at) == list(range(total - 25, total - 50, -1))
    at.button(key="audit_newer").click().run()
    assert numbers(at)[0] == total
    at.button(key="audit_older").click().run()
    at.selectbox(key="audit_action").set_value("logout").run()
    assert len(numbers(at)) == 20
    assert numbers(at)[0] > total - 25, "another filter leads back to the newest"
    at.text_input(key="audit_actor").set_value("user1").run()
    assert len(numbers(at)) == 10
    assert "Logged out" in seen(at)
    at.date_input(key="audit_until").set_value(datetime.now(UTC).date() - timedelta(days=2)).run()
    assert "No entry fits." in seen(at)


def test_the_log_is_verified_in_words(page: Page, services: Services, tmp_path: Path) -> None:
    services.gallery.record("login")
    at = page("audit").button(key="audit_verify").click().run()
    assert not at.exception
    assert 'role="alert"' in said(at), "the gallery of these tests signs nothing"
    with closing(sqlite3.connect(tmp_path / "gallery" / DATABASE)) as db, db:
        for (name,) in db.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            db.execute(f'drop trigger "{name}"')
        db.execute("update audit set actor = 'nobody' where id = 1")
    at = page("audit").button(key="audit_verify").click().run()
    assert "The log was changed, or something of it is missing:" in seen(at)
    assert "entry 1 was changed" in seen(at)


def test_an_export_is_what_was_filtered_and_goes_into_the_log(page: Page, services: Services) -> None:
    services.gallery.record("login")
    services.gallery.record("search")
    at = page("audit")
    assert len(at.get("download_button")) == 2
    lines = list(written(services, services.audit(action="login"), as_csv=False))
    assert [json.loads(line).get("action") for line in lines] == ["login", None]
    *_, last = services.audit()
    assert last.action == "audit_export"
    with pytest.raises(NotAllowedError):
        written(services.acting_as(Actor("olga", Role.OPERATOR)), [], as_csv=True)


def test_what_stands_in_the_log_is_shown_as_text(page: Page, services: Services) -> None:
    services.acting_as(Actor("<img src=x onerror=alert(1)>", Role.ADMIN)).gallery.record("<b>x</b>")
    at = page("audit")
    assert "<img" not in said(at)
    assert "<b>x</b>" not in said(at)
    assert "<img src=x" in seen(at) or "&lt;img" in said(at)


# --- retention, policy, settings ----------------------------------------------------------------------------------


def test_who_is_due_is_listed_before_anybody_is_erased(
    page: Page, services: Services, enrolled: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolled("Ada", RED)
    enrolled("Grace", GREEN)
    services.gallery.consent("Ada", NewConsent("door", expires=datetime.now(UTC) + timedelta(days=1)))
    services.gallery.withdraw("Ada")
    services.gallery.consent("Grace", NewConsent("door", expires=datetime.now(UTC) + timedelta(days=1)))
    services.use_policy(profile_file("strict"))
    services.reread_policy()
    at = part(page, "retention")
    assert not [button for button in at.button if button.key == "audit_erase"]
    at.button(key="audit_due_list").click().run()
    assert "Ada" in seen(at)
    assert "the consent was withdrawn" in seen(at)
    assert "Grace" not in seen(at)
    assert at.button(key="audit_erase").disabled
    at.checkbox(key="audit_sure").check().run()
    at.button(key="audit_erase").click().run()
    assert not at.exception
    assert [person.name for person in services.gallery.subjects()] == ["Grace"]
    assert "Erased (people: 1, runs: 0)." in seen(at)
    at.button(key="audit_due_list").click().run()
    assert "Nobody's time is over" in seen(at)


def test_the_policy_and_what_does_not_keep_it(page: Page, services: Services, enrolled: Callable[..., None]) -> None:
    enrolled("Ada", RED)
    assert "Everything is as the policy wants it." in seen(part(page, "policy"))
    services.use_policy(profile_file("strict"))
    services.reread_policy()
    at = part(page, "policy")
    assert "demanded of everybody" in seen(at)
    assert "Ada is enrolled without a consent in force" in seen(at)


def test_settings_are_written_as_in_their_file(page: Page) -> None:
    shown = seen(part(page, "settings"))
    for value in ("200_000", "false", "0.6", "2_000_000"):
        assert value in shown
    assert "False" not in shown


def test_settings_show_no_password(page: Page, services: Services) -> None:
    services.settings = services.settings.model_copy(update={"index_url": "http://root:secret@host:19530"})
    at = part(page, "settings")
    assert "http://root:***@host:19530" in seen(at)
    assert "secret" not in seen(at)
    assert audit_parts._value("postgresql://u:p@ss@host/db").startswith("postgresql://u:***@")


# --- users --------------------------------------------------------------------------------------------------------


def test_users_are_added_changed_and_removed(page: Page, services: Services) -> None:
    at = part(page, "users")
    assert "There are no users" in seen(at)
    at.text_input(key="users_name").set_value("Olga")
    at.text_input(key="users_password").set_value(GOOD)
    at.selectbox(key="users_role").set_value(Role.OPERATOR)
    at.button(key="FormSubmitter:users_add-Add").click().run()
    assert "the first user has to be an admin" in seen(at)
    at.selectbox(key="users_role").set_value(Role.ADMIN)
    at.button(key="FormSubmitter:users_add-Add").click().run()
    assert "Olga was added." in seen(at)
    users = guard.guard().users
    users.add("vera", Role.VIEWER, GOOD)
    at = part(page, "users")
    at.selectbox(key="role_of_vera").set_value(Role.OPERATOR)
    at.button(key="FormSubmitter:role_vera-Set the role").click().run()
    assert users.role_of("vera") is Role.OPERATOR
    token = guard.guard().sessions.open(Actor("vera", Role.OPERATOR), mark=users.mark_of("vera"))
    at.text_input(key="password_of_vera").set_value("short")
    at.button(key="FormSubmitter:password_vera-Set the password").click().run()
    assert "too short" in seen(at)
    assert guard.guard().actor(token) is not None
    at.text_input(key="password_of_vera").set_value("another good battery")
    at.button(key="FormSubmitter:password_vera-Set the password").click().run()
    assert users.log_in("vera", "another good battery").name == "vera"
    assert guard.guard().actor(token) is None, "open sessions end"
    at.checkbox(key="sure_vera").check()
    at.button(key="FormSubmitter:remove_vera-Remove").click().run()
    assert users.role_of("vera") is None
    at.checkbox(key="sure_olga").check()
    at.button(key="FormSubmitter:remove_olga-Remove").click().run()
    assert "olga is the last admin" in seen(at)
    assert users.role_of("olga") is Role.ADMIN
    actions = [entry.action for entry in services.audit() if entry.action.startswith("user_")]
    assert actions == ["user_add", "user_role", "user_password", "user_remove"]
    assert GOOD not in "".join(entry.detail for entry in services.audit())


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_nobody_but_an_admin_sees_or_does_any_of_it(
    page: Page, services: Services, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    weak = services.acting_as(Actor("weak", role))
    monkeypatch.setattr(state, "services", lambda: weak)
    at = page("audit")
    assert "and this takes an admin" in seen(at)
    assert not at.button
    watching = guard.guard()
    staff = Staff(weak, watching.users)
    for act in (
        staff.all,
        lambda: staff.add("x", Role.ADMIN, GOOD),
        lambda: staff.set_role("x", Role.ADMIN),
        lambda: staff.set_password("x", GOOD),
        lambda: staff.remove("x"),
        lambda: weak.audit_page(1),
        weak.audit_actions,
        lambda: weak.retain(dry_run=True),
        weak.verify_audit,
    ):
        with pytest.raises(NotAllowedError):
            act()
    assert not watching.users.any()


def test_the_last_admin_stays(services: Services) -> None:
    watching = guard.guard()
    staff = Staff(services.acting_as(LOCAL), watching.users)
    staff.add("ada", Role.ADMIN, GOOD)
    with pytest.raises(LastAdminError):
        staff.set_role("ada", Role.VIEWER)
    staff.add("bea", Role.ADMIN, GOOD)
    staff.remove("ada")
    with pytest.raises(LastAdminError):
        staff.remove("bea")
