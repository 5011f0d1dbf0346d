"""Calibrate: what can be measured on the gallery's own people, what is refused, and what is kept."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.access import Actor, Role
from app.services import Services
from app.web import calibrate_data, state
from pipeline.gallery import NewSample
from tests import fakes
from tests.app.web.conftest import Page, photo, said, seen


def crowd(services: Services, people: int, each: int = 3) -> None:
    """People whose templates are a direction of their own and a little noise; nobody looks at a photo."""
    rng = np.random.default_rng(7)
    items = []
    for number in range(people):
        own = fakes.vector_of(number)
        for turn in range(each):
            vector = own + 0.2 * rng.standard_normal(len(own)).astype(np.float32)
            sha256 = f"{number:032x}{turn:032x}"
            points = np.array([[1, 1], [3, 1], [2, 2], [1, 3], [3, 3]], np.float32)
            unit = (vector / np.linalg.norm(vector)).astype(np.float32)
            sample = NewSample(f"{number}.png", sha256, (0, 0, 4, 4), points, 0.9, (4, 4), unit, 10.0)
            items.append((f"Person {number:03}", sample))
    services.gallery.enrol_many(items)


def at_rate(at: AppTest, task: str, rate: float) -> AppTest:
    return at.select_slider(key=f"calibrate_rate_{task}").set_value(rate).run()


def test_an_empty_gallery_says_what_to_do(page: Page) -> None:
    at = page("calibrate")
    assert not at.exception
    assert "Enrol people with several photos each" in seen(at)


def test_a_rate_gives_a_threshold_with_its_bound_and_is_kept(page: Page, services: Services) -> None:
    crowd(services, 60)
    before = services.verify_point().threshold
    at = at_rate(page("calibrate"), "verify", 0.01)
    assert not at.exception
    assert "People: 60, photos: 180." in seen(at)
    text = seen(at)
    assert "With 95 % certainty no more than" in text
    assert "435 pairs stand behind this" in text, "30 people in the half that checks"
    assert len(at.get("plotly_chart")) == 2
    at.button(key="calibrate_save").click().run()
    assert "Saved: the threshold" in seen(at)
    point = services.verify_point()
    assert point.source == "calibration"
    assert point.target == 0.01
    assert point.threshold != before
    assert f"Verify: a score of {point.threshold:.3f} or more" in seen(at)
    at.button(key="calibrate_clear").click().run()
    assert services.verify_point().threshold == before
    assert "The thresholds of the model's card are used again." in seen(at)


def test_identify_is_kept_for_the_gallery_and_larger_ones(page: Page, services: Services) -> None:
    crowd(services, 60)
    at = page("calibrate")
    at.segmented_control(key="calibrate_task").set_value("identify").run()
    at = at_rate(at, "identify", 0.03)
    assert "with 60 in the gallery" in seen(at)
    at.button(key="calibrate_save").click().run()
    sizes = [point.gallery_size for point in services.calibration()]
    assert sizes[0] == 60
    assert len(sizes) > 1


def test_what_the_people_cannot_show_is_refused_with_the_number_it_would_take(page: Page, services: Services) -> None:
    crowd(services, 20)
    at = at_rate(page("calibrate"), "verify", 0.0001)
    assert "These people cannot show such a rate" in seen(at)
    assert "pairs of different people in each half" in seen(at)
    assert not [button for button in at.button if button.key == "calibrate_save"]
    assert len(at.get("plotly_chart")) == 2, "what there is can be looked at"


def test_another_threshold_is_looked_at_and_not_kept(page: Page, services: Services) -> None:
    crowd(services, 60)
    at = at_rate(page("calibrate"), "verify", 0.01)
    slider = next(one for one in at.slider if one.key.startswith("calibrate_try"))
    slider.set_value(slider.max).run()
    assert "From 1.000 on: 0 % of pairs of different people match" in seen(at)
    assert services.calibration() == ()


def test_a_zip_with_a_folder_for_each_person_is_measured_once(page: Page, services: Services, monkeypatch) -> None:
    names = {"Ada": fakes.RED, "Grace": fakes.GREEN, "Joan": fakes.BLUE, "<b>Eve</b>": (200, 200, 10)}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        for name, colour in names.items():
            for note in (1, 2):
                made.writestr(f"people/{name}/{note}.png", photo(colour, note=note)[1])
        made.writestr("people/Ada/broken.png", b"no photo")
    at = page("calibrate")
    at.segmented_control(key="calibrate_source").set_value("zip").run()
    at.file_uploader(key="calibrate_zip").set_value(("people.zip", packed.getvalue(), "application/zip")).run()
    assert not at.exception
    assert "People: 4, photos: 8. Could not be used, and count as misses: 1." in seen(at)
    assert "These people cannot show such a rate" in seen(at)
    looked = []
    monkeypatch.setattr(type(services.recognizer), "stream", lambda *_, **__: looked.append(1) or iter(()))
    at_rate(at, "verify", 0.1)
    assert not looked
    monkeypatch.setattr(calibrate_data, "MOST_PHOTOS", 8)
    at = page("calibrate")
    at.segmented_control(key="calibrate_source").set_value("zip").run()
    at.file_uploader(key="calibrate_zip").set_value(("people.zip", packed.getvalue(), "application/zip")).run()
    assert "9 photos are more than the page looks at (8)" in seen(at)


def test_who_logged_in_names_no_folder_of_the_server(
    page: Page, services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    fakes.write_bars(tmp_path / "all" / "Ada" / "1.png", fakes.RED)
    monkeypatch.setattr(state, "services", lambda: services.acting_as(Actor("olga", Role.OPERATOR)))
    at = page("calibrate")
    at.segmented_control(key="calibrate_source").set_value("folder").run()
    at.text_input(key="calibrate_folder").set_value(str(tmp_path / "all")).run()
    assert "batch_folders" in seen(at)
    assert 'role="alert"' in said(at)


def test_a_viewer_may_not(page: Page, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "services", lambda: services.acting_as(Actor("vera", Role.VIEWER)))
    at = page("calibrate")
    assert "vera is a viewer, and this takes an operator" in seen(at)
    assert not at.select_slider
