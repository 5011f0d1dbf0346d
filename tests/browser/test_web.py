"""The web page as people use it, with real photos: one story after the other on one gallery."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser

NASTY = "<img src=x onerror=alert(1)> **bold** [x](javascript:alert(1)) :smile: $x^2$"


def upload(page: Page, *files: Path | dict[str, object], place: int = 0) -> None:
    """Hands files to the uploader with that number, as a file dialog would."""
    chooser = page.locator("input[type=file]").nth(place)
    chooser.wait_for(state="attached")
    chooser.set_input_files(list(files))  # type: ignore[arg-type]


def named(page: Page, name: str) -> None:
    box = page.get_by_role("textbox", name="Name")
    box.fill(name)
    box.press("Enter")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def enrol(page: Page, server: str, name: str, *files: Path | dict[str, object]) -> None:
    page.goto(f"{server}/enrol")
    named(page, name)
    upload(page, *files)
    button(page, "Enrol 1 photo" if len(files) == 1 else f"Enrol {len(files)} photos").click()
    expect(page.get_by_text(f"Enrolled: {name}, from").first).to_be_visible()


def settled(page: Page) -> None:
    """Waits until the page is drawn: what is clicked while Streamlit still moves its parts may be drawn anew."""
    page.wait_for_timeout(200)
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def unfold(page: Page, title: str) -> None:
    settled(page)
    page.locator("summary", has_text=title).click()


def as_file(photo: Path, name: str) -> dict[str, object]:
    return {"name": name, "mimeType": "image/jpeg", "buffer": photo.read_bytes()}


@pytest.fixture(scope="module")
def photos(sample_photos: Path) -> dict[str, Path]:
    return {file.stem: file for file in sample_photos.rglob("*") if file.is_file()}


@pytest.mark.usefixtures("models_home")
class TestOneGallery:
    """The stories build on each other, in this order."""

    def test_a_newcomer_is_told_what_to_do_first(self, page: Page, server: str) -> None:
        page.goto(server)
        expect(page.get_by_text("Nobody is enrolled yet.")).to_be_visible()
        button(page, "Enrol a person").click()
        expect(page.get_by_role("heading", name="Enrol")).to_be_visible()

    def test_two_people_are_enrolled_and_one_photo_is_taken_back(
        self, page: Page, server: str, photos: dict[str, Path]
    ) -> None:
        enrol(page, server, "Barack Obama", photos["barack-obama-2012"])
        enrol(page, server, "Jacinda Ardern", photos["jacinda-ardern-2022"], photos["jacinda-ardern-2018"])
        button(page, "Undo this enrolment").click()
        expect(page.get_by_text("Undone: 2 photos removed again.")).to_be_visible()
        enrol(page, server, "Jacinda Ardern", photos["jacinda-ardern-2022"])

    def test_somebody_who_is_here_already_is_pointed_out(
        self, page: Page, server: str, photos: dict[str, Path]
    ) -> None:
        page.goto(f"{server}/enrol")
        upload(page, photos["barack-obama-2009"])
        expect(page.get_by_text("Already here as Barack Obama?")).to_be_visible()
        button(page, "Use that name").click()
        expect(page.get_by_role("textbox", name="Name")).to_have_value("Barack Obama")
        expect(page.get_by_text("Fits the photos of Barack Obama that are already here")).to_be_visible()

    def test_a_pair_of_one_person_and_a_pair_of_two(self, page: Page, server: str, photos: dict[str, Path]) -> None:
        page.goto(f"{server}/verify")
        upload(page, photos["barack-obama-2012"])
        expect(page.locator(".kf-box")).to_have_count(1)
        upload(page, photos["barack-obama-senate"], place=1)
        expect(page.get_by_role("heading", name="Same person", exact=True)).to_be_visible()
        expect(page.locator(".kf-dot")).to_have_count(10)
        expect(page.get_by_role("img", name="on a scale from")).to_be_visible()
        upload(page, photos["joe-biden-2010"], place=1)
        expect(page.get_by_role("heading", name="Not the same person")).to_be_visible()

    def test_the_box_and_the_landmarks_lie_on_the_face(self, page: Page, server: str, photos: dict[str, Path]) -> None:
        page.goto(f"{server}/verify")
        upload(page, photos["eileen-collins"])
        picture, box = page.locator(".kf-photo > img"), page.locator(".kf-box")
        expect(box).to_have_count(1)
        expect(picture).to_have_js_property("complete", True)
        settled(page)  # nothing moves any more between the two measures
        outer, inner = picture.bounding_box(), box.bounding_box()
        assert outer
        assert inner
        centre = (inner["x"] + inner["width"] / 2 - outer["x"]) / outer["width"]
        middle = (inner["y"] + inner["height"] / 2 - outer["y"]) / outer["height"]
        assert centre == pytest.approx(0.44, abs=0.03)  # of the 512 pixels of the photo, measured by eye
        assert middle == pytest.approx(0.23, abs=0.04)
        for dot in page.locator(".kf-dot").all():
            place = dot.bounding_box()
            assert place
            assert inner["x"] < place["x"] + 3 < inner["x"] + inner["width"]
            assert inner["y"] < place["y"] + 3 < inner["y"] + inner["height"]

    def test_photos_are_identified_and_the_results_are_files(
        self, page: Page, server: str, photos: dict[str, Path], tmp_path: Path
    ) -> None:
        page.goto(f"{server}/identify")
        upload(page, photos["barack-obama-2010"], photos["jacinda-ardern-2018"], photos["rishi-sunak"])
        expect(page.get_by_text("3 photos: 2 named, 1 unknown")).to_be_visible()
        headings = page.locator(".kf-face h2")
        expect(headings).to_have_count(3)
        expect(headings.nth(0)).to_contain_text("Barack Obama")
        expect(headings.nth(1)).to_contain_text("Jacinda Ardern")
        expect(headings.nth(2)).to_contain_text("Unknown person")
        with page.expect_download() as download:
            button(page, "Download JSON").click()
        download.value.save_as(tmp_path / "faces.json")
        document = json.loads((tmp_path / "faces.json").read_text())
        assert [face["subject"] for face in document["faces"]] == ["Barack Obama", "Jacinda Ardern", None]
        with page.expect_download() as download:
            button(page, "Download CSV").click()
        download.value.save_as(tmp_path / "faces.csv")
        assert (tmp_path / "faces.csv").read_text("utf-8-sig").startswith("photo,face,x0")

    def test_what_is_no_photo_is_refused_with_a_sentence(self, page: Page, server: str) -> None:
        page.goto(f"{server}/verify")
        upload(page, {"name": "letter.jpg", "mimeType": "image/jpeg", "buffer": b"Dear all, this is no photo."})
        alert = page.get_by_role("alert").filter(has_text="letter.jpg")
        expect(alert).to_be_visible()
        assert "Traceback" not in page.content()

    def test_names_and_file_names_stay_text(self, page: Page, server: str, photos: dict[str, Path]) -> None:
        before = page.locator("img[src='x']")
        enrol(page, server, NASTY, as_file(photos["joe-biden-2010"], f"{NASTY}.jpg"))
        expect(before).to_have_count(0)
        page.goto(f"{server}/identify")
        upload(page, as_file(photos["joe-biden-2010"], f"{NASTY}.jpg"))
        expect(page.locator(".kf-face h2")).to_contain_text(NASTY)
        page.goto(f"{server}/gallery")
        expect(page.get_by_text(NASTY, exact=True)).to_be_visible()
        search = page.get_by_role("textbox", name="Search by name")
        search.fill(":smile:")
        search.press("Enter")
        expect(button(page, "Open")).to_have_count(1)
        button(page, "Open").click()
        expect(page.get_by_role("heading", name=NASTY)).to_be_visible()
        for harm in ("img[src='x']", "a[href^=javascript]", ".katex"):
            expect(page.locator(harm)).to_have_count(0)

    def test_a_name_among_options_stays_text(self, page: Page, server: str) -> None:
        page.goto(f"{server}/gallery")
        button(page, "Open").nth(1).click()
        expect(page.get_by_role("heading", name="Barack Obama")).to_be_visible()
        unfold(page, "Merge with somebody")
        settled(page)
        page.get_by_role("combobox").click()
        expect(page.get_by_role("option", name=NASTY)).to_be_visible()
        for harm in ("img[src='x']", "a[href^=javascript]", ".katex"):
            expect(page.locator(harm)).to_have_count(0)

    def test_a_person_is_renamed_and_removed(self, page: Page, server: str) -> None:
        page.goto(f"{server}/gallery")
        search = page.get_by_role("textbox", name="Search by name")
        search.fill("obama")
        search.press("Enter")
        expect(button(page, "Open")).to_have_count(1)
        button(page, "Open").click()
        unfold(page, "Rename")
        new = page.get_by_role("textbox", name="New name")
        new.fill("President Obama")
        new.press("Enter")
        expect(page.get_by_text("Barack Obama is now called President Obama.")).to_be_visible()
        unfold(page, "Remove")
        button(page, "Remove this person…").click()
        expect(page.get_by_text("This erases President Obama for good: the name, 1 photo")).to_be_visible()
        button(page, "Erase for good").click()
        expect(page.get_by_text("President Obama was erased, with 1 photo.")).to_be_visible()

    def test_two_sessions_at_once_do_not_mix(self, browser: Browser, server: str, photos: dict[str, Path]) -> None:
        one, other = (browser.new_page() for _ in range(2))
        try:
            for tab in (one, other):
                tab.goto(f"{server}/verify")
            upload(one, photos["jacinda-ardern-2018"])
            upload(other, photos["emmanuel-macron-2014"])
            for tab in (one, other):  # who brings a second photo has seen the first
                expect(tab.get_by_role("figure")).to_have_count(1)
            upload(one, photos["jacinda-ardern-2022"], place=1)
            upload(other, photos["jacinda-ardern-2022"], place=1)
            expect(one.get_by_role("heading", name="Same person", exact=True)).to_be_visible()
            expect(other.get_by_role("heading", name="Not the same person")).to_be_visible()
        finally:
            one.close()
            other.close()

    @pytest.mark.parametrize("address", ["", "enrol", "verify", "identify", "gallery"])
    def test_a_phone_needs_no_sideways_scrolling(self, page: Page, server: str, address: str) -> None:
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{server}/{address}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        widest = page.evaluate(
            "Math.max(...[...document.querySelectorAll('.kf, button')].map(e => e.getBoundingClientRect().right))"
        )
        assert widest <= 390
