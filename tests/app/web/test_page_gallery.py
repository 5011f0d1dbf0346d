"""Gallery: search, paging, rename, merge, remove."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.access import Actor, Role
from app.photos import Upload
from app.services import Services
from app.web import gallery_actions, state
from pipeline.gallery import NewConsent
from tests.app.web.conftest import Page, photo, said, seen
from tests.fakes import BLUE, GREEN, RED
from tests.made_runs import decide_by_name, made_run


def opened(page: Page, row: int = 0) -> AppTest:
    return page("gallery").button(key=f"open_{row}").click().run()


def names(services: Services) -> list[str]:
    return [person.name for person in services.gallery.subjects()]


def test_an_empty_gallery_says_what_to_do_first(page: Page) -> None:
    assert "Nobody is enrolled yet. Start with “Enrol”" in seen(page("gallery"))


def test_search_and_paging_ask_for_one_page_only(page: Page, services: Services, enrolled: Callable) -> None:
    for number in range(45):
        enrolled(f"Person {number:02}", (number + 10, 100, 5))
    asked = []
    listed = services.gallery.subjects
    services.gallery.subjects = lambda **how: asked.append(how) or listed(**how)  # type: ignore[method-assign]
    at = page("gallery")
    assert re.findall(r"<bdi>(.*?)</bdi>", said(at)) == [f"Person {number:02}" for number in range(20)]
    at.button(key="gallery_page_on").click().run()
    at.button(key="gallery_page_on").click().run()
    assert re.findall(r"<bdi>(.*?)</bdi>", said(at)) == [f"Person {number:02}" for number in range(40, 45)]
    assert at.button(key="gallery_page_on").disabled
    assert all(how["limit"] == 20 for how in asked)
    at.text_input(key="gallery_search").set_value("person 1").run()
    assert re.findall(r"<bdi>(.*?)</bdi>", said(at)) == [f"Person {number}" for number in range(10, 20)]
    at.text_input(key="gallery_search").set_value("nobody").run()
    assert "No name contains “nobody”." in seen(at)


def test_a_search_with_many_results_is_paged_too(page: Page, enrolled: Callable) -> None:
    for number in range(25):
        enrolled(f"Person {number:02}", (number + 10, 100, 5))
    at = page("gallery")
    at.text_input(key="gallery_search").set_value("PERSON").run()
    at.button(key="gallery_page_on").click().run()
    assert re.findall(r"<bdi>(.*?)</bdi>", said(at)) == [f"Person {number:02}" for number in range(20, 25)]


def test_a_person_is_renamed(page: Page, services: Services, enrolled: Callable) -> None:
    enrolled("Ada", RED, GREEN)
    at = opened(page)
    assert "Ada-1.png" in seen(at)
    assert "40 × 60 px" in seen(at)
    at.text_input(key="rename_to").set_value("Ada Lovelace")
    at.button(key="FormSubmitter:rename-Rename").click().run()
    assert "Ada is now called Ada Lovelace." in seen(at)
    assert names(services) == ["Ada Lovelace"]


def test_a_name_that_is_taken_is_refused_with_a_sentence(page: Page, services: Services, enrolled: Callable) -> None:
    enrolled("Ada", RED)
    enrolled("Grace", GREEN)
    at = opened(page)
    at.text_input(key="rename_to").set_value("Grace")
    at.button(key="FormSubmitter:rename-Rename").click().run()
    assert not at.exception
    assert "Grace" in seen(at)
    assert 'role="alert"' in said(at)
    assert names(services) == ["Ada", "Grace"]


def test_two_people_are_merged_after_saying_what_that_does(page: Page, services: Services, enrolled: Callable) -> None:
    enrolled("Ada", RED, BLUE)
    enrolled("Grace", GREEN)
    at = opened(page)
    assert not [button for button in at.button if button.key == "merge_go"]
    at.selectbox(key="merge_into").set_value("Grace").run()
    assert "All photos of Ada move to Grace" in seen(at)
    at.button(key="merge_go").click().run()
    assert "Ada was merged into Grace: 2 photos moved." in seen(at)
    assert services.gallery.subject("Grace").info.samples == 3
    assert names(services) == ["Grace"]


def test_removing_asks_first_and_can_be_left(page: Page, services: Services, enrolled: Callable) -> None:
    enrolled("Ada", RED, BLUE)
    at = opened(page)
    assert not [button for button in at.button if button.key == "remove_go"]
    at.button(key="remove_ask").click().run()
    assert "This erases Ada for good: the name, 2 photos" in seen(at)
    at.button(key="remove_keep").click().run()
    assert names(services) == ["Ada"]
    at.button(key="remove_ask").click().run()
    at.button(key="remove_go").click().run()
    assert "Ada was erased, with 2 photos." in seen(at)
    assert names(services) == []


def test_a_person_whom_another_session_removed_leads_back_to_everybody(
    page: Page, services: Services, enrolled: Callable
) -> None:
    enrolled("Ada", RED)
    enrolled("Grace", GREEN)
    at = opened(page)
    services.gallery.remove("Ada")
    at.run()
    assert not at.exception
    assert "Grace" in seen(at)
    assert at.text_input(key="gallery_search")


def test_photos_are_split_off_to_a_new_person(page: Page, services: Services, enrolled: Callable) -> None:
    enrolled("Ada", RED, GREEN, BLUE)
    at = opened(page)
    at.button(key="FormSubmitter:split-Split").click().run()
    assert "Choose the numbers" in seen(at)
    at.multiselect(key="split_which").set_value([2, 3])
    at.text_input(key="split_to").set_value("Ada")
    at.button(key="FormSubmitter:split-Split").click().run()
    assert 'role="alert"' in said(at)
    assert services.gallery.subject("Ada").info.samples == 3
    at.text_input(key="split_to").set_value("Grace")
    at.button(key="FormSubmitter:split-Split").click().run()
    assert "2 photos moved from Ada to Grace." in seen(at)
    assert [sample.source for sample in services.gallery.subject("Grace").samples] == ["Ada-2.png", "Ada-3.png"]
    assert services.gallery.subject("Ada").info.samples == 1


def test_faces_that_are_kept_are_shown_with_consents_and_holds(page: Page, services: Services) -> None:
    services.settings = services.settings.model_copy(update={"keep_crops": True})
    file, data, _ = photo(RED, name="Ada.png", note=1)
    consent = NewConsent("door <b>", expires=datetime(2099, 1, 2, tzinfo=UTC))
    assert services.enrol("Ada", [Upload(file, data)], consent=consent)[0].error is None
    services.hold("Ada", "case <i>7</i>")
    at = opened(page)
    assert 'src="data:image/png;base64,' in said(at)
    assert 'alt="Face 1"' in said(at)
    assert "door <b>" in seen(at)
    assert "2099-01-01" in seen(at)  # the last day on which it holds
    assert "in force" in seen(at)
    assert "Under a legal hold since" in seen(at)
    assert "<i>7" not in said(at)
    at.button(key="remove_ask").click().run()
    at.button(key="remove_go").click().run()
    assert names(services) == ["Ada"]
    assert "hold" in seen(at)


def test_removing_says_what_goes_from_runs(page: Page, services: Services, enrolled: Callable) -> None:
    enrolled("ada", RED)
    run = made_run(services.settings.home, "old", {"/photos/a.jpg": ["ada"]})
    decide_by_name(run, ["ada"])
    at = opened(page).button(key="remove_ask").click().run()
    assert "From runs: at least one face" in seen(at)


def test_a_viewer_only_looks_and_only_an_admin_removes(
    page: Page, services: Services, enrolled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolled("Ada", RED, GREEN)
    for role, shown in ((Role.VIEWER, set()), (Role.OPERATOR, {"Rename", "Merge with somebody", "Split"})):
        other = services.acting_as(Actor("eve", role))
        monkeypatch.setattr(state, "services", lambda other=other: other)
        at = page("gallery")
        assert not any(one.label == "Backup" for one in at.expander)
        at = at.button(key="open_0").click().run()
        assert {one.label for one in at.expander} == shown
        assert bool(at.get("download_button")) == bool(shown)


def test_a_backup_is_written_where_it_is_said(
    page: Page, services: Services, enrolled: Callable, tmp_path: Path
) -> None:
    enrolled("Ada", RED)
    at = page("gallery")
    for path, answer in (
        ("", "Say where to."),
        ("backup", "give the whole path"),
        (str(tmp_path / "b"), "was written"),
    ):
        at.text_input(key="backup_path").set_value(path)
        at = at.button(key="FormSubmitter:backup-Write the backup").click().run()
        assert answer in seen(at)
    assert (tmp_path / "b").stat().st_size > 0


def test_everything_about_a_person_is_one_file(services: Services, enrolled: Callable) -> None:
    enrolled("Ada", RED)
    with zipfile.ZipFile(io.BytesIO(gallery_actions._packed(services, "Ada"))) as packed:
        assert json.loads(packed.read("subject.json"))["subject"] == "Ada"
    assert "export" in {entry.action for entry in services.gallery.audit()}
