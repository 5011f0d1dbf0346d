"""Identify: a name, a score and a reason for each face; results as files."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from app.calibration import keep
from app.services import Services
from app.web import page_identify, state
from tests.app.web.conftest import File, Page, photo, said, seen
from tests.fakes import BLUE, GREEN, RED


def bring(at: AppTest, *files: File) -> AppTest:
    at.file_uploader[0].set_value(list(files))
    return at.run()


def test_each_face_gets_its_name_or_stays_unknown(page: Page, enrolled: Callable) -> None:
    enrolled("Ada", RED)
    enrolled("Grace", GREEN)
    broken = ("broken.jpg", b"no photo", "image/jpeg")
    at = bring(page("identify"), photo(RED, BLUE), photo(GREEN), photo((0, 0, 0), name="wall.png"), broken)
    assert not at.exception
    assert "4 photos: 2 named, 1 unknown, 2 without a result" in seen(at)
    assert "1. Ada" in seen(at)
    assert "2. Unknown person" in seen(at)
    assert "✓Grace" in seen(at)
    assert "next best: " in seen(at)
    assert "wall.png: no face was found" in seen(at)
    labels = [button.label for button in at.get("download_button")]
    assert labels == ["Download CSV", "Download JSON", "Download report"]


def test_nobody_is_named_twice_and_a_poor_face_is_said(page: Page, services: Services, enrolled: Callable) -> None:
    enrolled("Ada", RED)
    keep(services, [replace(point, source="chosen", min_norm=9.5) for point in services.points])
    at = bring(page("identify"), photo(RED, RED, BLUE))
    assert "1 photo: 1 named, 1 unknown, 1 too poor to say" in seen(at)
    assert "Ada is face 1 of this photo" in seen(at)
    assert "3. Too poor a picture to say" in seen(at)


def test_what_makes_scores_mean_less_is_said(
    page: Page, services: Services, enrolled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolled("Ada", RED)
    monkeypatch.setattr(type(services), "stages_note", lambda _: "")
    assert 'role="alert"' not in said(page("identify"))
    monkeypatch.setattr(type(services), "stages_note", lambda _: "people were enrolled with <another> detector")
    assert "people were enrolled with <another> detector" in seen(page("identify"))


def test_an_empty_gallery_says_what_to_do(page: Page) -> None:
    at = bring(page("identify"), photo(RED))
    assert "Enrol somebody first" in seen(at)
    assert "Nobody is enrolled in this gallery." in seen(at)


def test_photos_are_paged_and_looked_at_once(page: Page, services: Services, enrolled: Callable) -> None:
    enrolled("Ada", RED)
    at = bring(page("identify"), *[photo(RED, note=note, name=f"{note}.png") for note in range(12)])
    assert said(at).count("<figure") == 10
    batches = len(services.recognizer._detector.batches)  # type: ignore[attr-defined]
    at.button(key="identify_page_on").click().run()
    assert said(at).count("<figure") == 2
    assert "11–12 of 12" in seen(at)
    assert len(services.recognizer._detector.batches) == batches  # type: ignore[attr-defined]


def test_a_session_remembers_a_limited_number_of_photos(page: Page) -> None:
    at = bring(page("identify"), *[photo(RED, note=note) for note in range(20)])
    remembered = at.session_state["kf_seen"]
    assert len(remembered) == 20
    assert all(isinstance(one, state.Seen) and one.picture.startswith("data:image/jpeg") for one in remembered.values())


def test_a_session_forgets_what_is_no_longer_on_the_page(page: Page) -> None:
    at = bring(page("identify"), photo(RED), photo(RED, note=1))
    assert len(at.session_state["kf_seen"]) == 2
    at = bring(at, photo(RED, note=2))
    assert len(at.session_state["kf_seen"]) == 1


def test_more_photos_than_the_limit(page: Page) -> None:
    at = bring(page("identify"), *[photo(RED, note=note % 250) for note in range(101)])
    assert "Only the first 100 photos are used" in seen(at)
    assert "100 photos:" in seen(at)


def test_the_report_is_a_file_that_loads_nothing_and_runs_nothing(services: Services, enrolled: Callable) -> None:
    name = "<script>alert(1)</script>"
    enrolled(name, RED)
    photos = [look(services, photo(RED, BLUE)), look(services, ("x.jpg", b"no photo", "image/jpeg"))]
    results = page_identify._identify(services, photos)
    made = page_identify._report(photos, results, "en").decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in made
    assert "<script" not in made
    assert "2 photos: 1 named, 1 unknown" in made
    assert made.count("<article>") == 2
    assert "default-src 'none'" in made
    assert not re.search(r"(src|href)=.?(http|//)", made)
    assert "照片里有谁" in page_identify._report(photos, results, "zh").decode()


def look(services: Services, file: File) -> state.Seen:
    name, data, _ = file
    return state._look(services, SimpleNamespace(file_id=name, name=name, size=len(data), getvalue=lambda: data))


def test_a_photo_is_looked_at_anew_after_a_switch_to_another_model(page: Page, services: Services) -> None:
    at = bring(page("identify"), photo(RED))
    batches = len(services.recognizer._detector.batches)  # type: ignore[attr-defined]
    old = at.session_state["kf_seen"]
    (key,) = old
    old[key] = replace(
        old[key], faces=replace(old[key].faces, templates=replace(old[key].faces.templates, model_id="o.l@d"))
    )
    at.run()
    assert not at.exception
    assert len(services.recognizer._detector.batches) == batches + 1  # type: ignore[attr-defined]
    assert at.session_state["kf_seen"][key].faces.templates.model_id == services.recognizer.model_id
