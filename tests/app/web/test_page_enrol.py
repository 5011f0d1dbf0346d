"""Enrol: verdicts, warnings, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app.services import Services
from app.web import judge
from pipeline.gallery import NewConsent
from tests.app.web.conftest import File, Page, photo, said, seen
from tests.fakes import BLUE, GREEN, RED


def bring(at: AppTest, *files: File) -> AppTest:
    at.file_uploader[0].set_value(list(files))
    return at.run()


def test_a_person_is_enrolled_and_the_page_is_ready_for_the_next(page: Page, services: Services) -> None:
    at = bring(page("enrol"), photo(RED, name="a.png"), photo(RED, name="b.png", note=1))
    assert at.button(key="enrol_go").disabled
    assert "Give the person a name" in seen(at)
    at.text_input(key="enrol_name").set_value("  Ada ").run()
    assert at.button(key="enrol_go").label == "Enrol 2 photos"
    at.button(key="enrol_go").click().run()
    assert not at.exception
    assert "Enrolled: Ada, from a.png" in seen(at)
    assert services.gallery.subject("Ada").info.samples == 2
    assert at.text_input(key="enrol_name").value == ""
    assert not at.file_uploader[0].value


def test_undo_takes_back_what_was_new_and_leaves_the_rest(page: Page, services: Services, enrolled: Callable) -> None:
    enrolled("Ada", RED)
    at = bring(page("enrol"), photo(RED, name="again.png", note=1), photo(RED, name="new.png", note=9))
    at.text_input(key="enrol_name").set_value("Ada").run()
    assert "Ada is enrolled already with 1 photo" in seen(at)
    at.button(key="enrol_go").click().run()
    assert "Enrolled before, nothing changed: Ada, from again.png" in seen(at)
    at.button(key="enrol_undo").click().run()
    assert "Undone: 1 photo removed again." in seen(at)
    assert services.gallery.subject("Ada").info.samples == 1
    assert not [button for button in at.button if button.key == "enrol_undo"]


def test_a_face_that_is_here_under_another_name_is_pointed_out_and_the_name_can_be_taken(
    page: Page, services: Services, enrolled: Callable
) -> None:
    enrolled("Grace", GREEN)
    at = bring(page("enrol"), photo(GREEN, note=5))
    assert "Already here as Grace?" in seen(at)
    at.text_input(key="enrol_name").set_value("Somebody else").run()
    (use,) = [button for button in at.button if button.label == "Use that name"]
    use.click().run()
    assert at.text_input(key="enrol_name").value == "Grace"
    assert "Nearly the same picture as one of Grace that is already here (score 1.000)" in seen(at)
    assert "Already here" not in seen(at)


def test_the_photo_of_another_person_is_refused_by_name(page: Page, services: Services, enrolled: Callable) -> None:
    enrolled("Grace", GREEN)
    at = bring(page("enrol"), photo(GREEN, note=1))
    at.text_input(key="enrol_name").set_value("Ada").run()
    at.button(key="enrol_go").click().run()
    assert "Grace" in seen(at)
    assert not at.exception
    assert [person.name for person in services.gallery.subjects()] == ["Grace"]


def test_a_photo_unlike_the_others_of_the_person_is_pointed_out(page: Page, enrolled: Callable) -> None:
    enrolled("Ada", RED)
    at = bring(page("enrol"), photo(BLUE))
    at.text_input(key="enrol_name").set_value("Ada").run()
    assert "Does not look like the photos of Ada that are already here" in seen(at)


def test_what_would_make_a_photo_better_is_said(
    page: Page, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "advice", lambda *_: ["yaw", "sharpness", "inter_eye", "compression"])
    at = bring(page("enrol"), photo(RED))
    assert "One face, " in seen(at)
    for said_first in ("turned to the side", "is blurred", "is small in the photo"):
        assert said_first in seen(at)
    assert "compressed" not in seen(at), "three hints are enough"
    assert "✓" not in seen(at), "a poor photo gets no tick"
    monkeypatch.setattr(judge, "advice", lambda *_: [])
    assert "One clear face, " in seen(at.run())


def test_photos_brought_together_are_held_against_each_other(page: Page) -> None:
    at = bring(page("enrol"), photo(RED), photo(RED, note=1), photo(BLUE, note=2), photo(BLUE, note=2))
    assert seen(at).count("Does not look like any of the other photos brought here") == 1
    assert seen(at).count("The same photo as one above") == 1


def test_photos_of_somebody_known_are_held_against_those_that_are_here_only(page: Page, enrolled: Callable) -> None:
    enrolled("Ada", RED)
    at = bring(page("enrol"), photo(RED, note=4), photo(BLUE, note=2), photo(BLUE, note=2))
    assert seen(at).count("any of the other photos brought here") == 2
    at.text_input(key="enrol_name").set_value("Ada").run()
    assert seen(at).count("Does not look like the photos of Ada") == 2
    assert "any of the other photos brought here" not in seen(at), "one opinion a photo"
    assert "The same photo as one above" in seen(at)


def test_of_several_faces_one_is_chosen_by_its_number(page: Page, services: Services) -> None:
    at = bring(page("enrol"), photo(RED, GREEN))
    at.text_input(key="enrol_name").set_value("Grace").run()
    assert "2 faces: choose the one to enrol by the number in the picture." in seen(at)
    assert at.button(key="enrol_go").disabled
    at.radio[0].set_value(2).run()
    assert "Face 2 is chosen" in seen(at)
    at.button(key="enrol_go").click().run()
    (sample,) = services.gallery.subject("Grace").samples
    assert sample.box[0] == 40


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (photo((0, 0, 0)), "No face was found"),
        (("notes.txt", b"not a photo", "text/plain"), "notes.txt"),
        (("empty.jpg", b"", "image/jpeg"), "empty.jpg: is empty"),
        (("large.png", b"\x89PNG" + bytes(200_001), "image/png"), "large.png"),
        (photo(*[RED] * 50, name="wide.png"), "wide.png"),
    ],
    ids=["no face", "no photo", "empty", "too many bytes", "too many pixels"],
)
def test_what_cannot_be_used_is_left_out_with_a_sentence(page: Page, file: File, sentence: str) -> None:
    at = bring(page("enrol"), file, photo(RED))
    at.text_input(key="enrol_name").set_value("Ada").run()
    assert sentence in seen(at)
    assert "1 photo will be left out: no usable face, or none chosen yet." in seen(at)
    assert at.button(key="enrol_go").label == "Enrol 1 photo"
    assert not at.exception


def test_more_photos_than_the_limit_are_left_out_before_they_are_looked_at(page: Page) -> None:
    at = bring(page("enrol"), *[photo(RED, note=note) for note in range(22)])
    assert "Only the first 20 photos are used." in seen(at)
    assert said(at).count("<figure") == 20


def test_a_name_that_cannot_be_used_is_a_sentence(page: Page) -> None:
    at = bring(page("enrol"), photo(RED))
    at.text_input(key="enrol_name").set_value("a\u202eb").run()
    assert "only printable characters are allowed" in seen(at)
    assert at.button(key="enrol_go").disabled


def test_undo_takes_the_consent_back_and_a_legal_hold_blocks_it(page: Page, services: Services) -> None:
    at = bring(page("enrol"), photo(RED, name="a.png"))
    at.text_input(key="enrol_name").set_value("Ada").run()
    at.button(key="enrol_go").click().run()
    [row] = at.session_state["enrol_done"]
    services.consent("Ada", NewConsent("door"))
    [consent] = services.gallery.consents("Ada")
    at.session_state["enrol_done"] = [replace(row, consent_id=consent.id)]
    services.hold("Ada", "case 12")
    at.run()
    at.button(key="enrol_undo").click().run()
    assert not at.exception
    assert "hold" in seen(at)
    assert services.gallery.has_consent("Ada")
    services.release("Ada")
    at.run()
    at.button(key="enrol_undo").click().run()
    assert len(services.gallery) == 0
    assert [entry.action for entry in services.gallery.audit(action="enrol_undo")] == ["enrol_undo"]
