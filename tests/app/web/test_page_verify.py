"""Verify: the decision in words and signs, the scale, and the choice of faces."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app.calibration import clear, keep
from app.services import Services
from tests.app.web.conftest import File, Page, photo, said, seen
from tests.fakes import BLUE, GREEN, RED


def compare(at: AppTest, a: File, b: File) -> AppTest:
    at.file_uploader(key="verify_a_file").set_value(a)
    at.file_uploader(key="verify_b_file").set_value(b)
    return at.run()


def test_the_page_waits_for_two_photos(page: Page) -> None:
    at = page("verify")
    assert "The answer appears here" in seen(at)
    at.file_uploader(key="verify_a_file").set_value(photo(RED))
    assert "The answer appears here" in seen(at.run())


def test_one_person(page: Page) -> None:
    at = compare(page("verify"), photo(RED), photo(RED, note=3))
    assert not at.exception
    assert "✓Same person" in seen(at)
    assert "The score 1.000 reaches the threshold 0.700" in seen(at)
    assert 'role="img" aria-label="Score 1.000 on a scale from -0.2 to 1.0; the threshold is 0.700."' in said(at)
    assert "0.1 %" in seen(at)
    assert "2 %" in seen(at)
    assert said(at).count('class="kf-box"') == 2
    assert said(at).count('class="kf-dot"') == 10


def test_different_people(page: Page) -> None:
    at = compare(page("verify"), photo(RED), photo(BLUE))
    assert "✗Not the same person" in seen(at)
    assert "stays below the threshold 0.700" in seen(at)


def test_the_face_to_compare_is_chosen(page: Page) -> None:
    at = compare(page("verify"), photo(RED), photo(BLUE, GREEN, RED))
    assert "Not the same person" in seen(at)
    at.radio[0].set_value(3).run()
    assert "✓Same person" in seen(at)
    assert said(at).count('class="kf-box rest"') == 2


@pytest.mark.parametrize(
    ("file", "sentence"),
    [(("x.jpg", b"no photo", "image/jpeg"), "x.jpg"), (photo((0, 0, 0)), "No face was found")],
    ids=["no photo", "no face"],
)
def test_what_cannot_be_compared_is_a_sentence(page: Page, file: File, sentence: str) -> None:
    at = compare(page("verify"), file, photo(RED))
    assert sentence in seen(at)
    assert "The answer appears here" in seen(at)
    assert not at.exception


def test_without_an_operating_point_there_is_a_sentence_and_no_answer(page: Page, services: Services) -> None:
    services.__dict__["points"] = ()
    at = page("verify")
    assert "no operating point" in seen(at)
    assert not at.exception


def test_a_calibration_of_the_gallery_is_used_and_named(page: Page, services: Services) -> None:
    own = [
        replace(point, source="calibration", basis="2026-01-02 on 80 people", threshold=0.95, target=0.001)
        for point in services.points
    ]
    keep(services, own)
    at = compare(page("verify"), photo(RED), photo(GREEN))
    assert "your calibration of 2026-01-02 on 80 people" in seen(at)
    assert "0.950" in seen(at)
    clear(services)
    assert "The threshold comes from the model card." in seen(compare(page("verify"), photo(RED), photo(GREEN)))


def test_a_poor_picture_cannot_tell(page: Page, services: Services) -> None:
    keep(services, [replace(point, source="chosen", min_norm=9.5) for point in services.points])
    at = compare(page("verify"), photo(RED), photo(GREEN))
    assert "This picture cannot tell" in seen(at)
    assert "quality of its template is 9.0" in seen(at)
    assert "✓Same person" in seen(compare(page("verify"), photo(RED), photo(RED, note=1)))


def test_the_same_file_twice_is_pointed_out(page: Page) -> None:
    at = compare(page("verify"), photo(RED), photo(RED))
    assert "Both sides show the same file." in seen(at)
    assert "Both sides" not in seen(compare(page("verify"), photo(RED), photo(RED, note=3)))
