"""Runs in a real browser: started, left, come back to, the report opened; an unknown person named and then found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_web import button, enrol, settled, unfold, upload

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def photos(sample_photos: Path) -> dict[str, Path]:
    return {file.stem: file for file in sample_photos.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def folder(photos: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pictures")
    for name in ("barack-obama-2009", "barack-obama-2010", "jacinda-ardern-2018"):
        shutil.copy(photos[name], made)
    (made / "letter.jpg").write_bytes(b"no photo")
    return made


@pytest.mark.usefixtures("models_home")
class TestOneGallery:
    """The stories build on each other, in this order."""

    def test_before_any_run_the_pages_say_what_to_do_first(self, page: Page, server: str) -> None:
        page.goto(f"{server}/unknowns")
        expect(page.get_by_text("No run has been finished yet.")).to_be_visible()
        page.goto(f"{server}/batch")
        expect(page.get_by_text("There are no runs yet.")).to_be_visible()

    def test_a_run_is_started_left_and_come_back_to(self, page: Page, server: str, folder: Path, photos: dict) -> None:
        enrol(page, server, "Jacinda Ardern", photos["jacinda-ardern-2022"])
        page.goto(f"{server}/batch")
        page.get_by_role("textbox", name="Name of the run").fill("Holiday")
        page.get_by_role("textbox", name="Folder").fill(str(folder))
        button(page, "Start the run").click()
        expect(page.get_by_text("The run Holiday was started.")).to_be_visible()
        page.goto("about:blank")
        page.goto(f"{server}/batch")
        expect(page.get_by_text("finished", exact=True)).to_be_visible()  # the page says so by itself
        expect(page.get_by_text("1 file without a result")).to_be_visible()
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Open the report").click()
        report = opened.value
        expect(report.get_by_role("heading", name="People in Holiday")).to_be_visible()
        expect(report.get_by_text("Jacinda Ardern").first).to_be_visible()
        report.close()
        with page.expect_download() as download:
            page.get_by_role("link", name="Table (CSV)").click()
        assert "Jacinda Ardern" in download.value.path().read_text("utf-8-sig")

    def test_an_unknown_person_is_named_and_then_found(self, page: Page, server: str, photos: dict[str, Path]) -> None:
        page.goto(f"{server}/unknowns")
        expect(page.get_by_text("2 faces in 2 photos")).to_be_visible()
        button(page, "Look closer").click()
        expect(page.get_by_role("img", name="Face 1 of U-0")).to_be_visible()
        box = page.get_by_role("textbox", name="Name of this person")
        box.fill("Barack Obama")
        box.press("Enter")
        settled(page)
        button(page, "Enrol under this name").click()
        expect(page.get_by_text("is Barack Obama. Faces: 2, enrolled: 2, recognised now: 2.")).to_be_visible()
        page.goto(f"{server}/identify")
        upload(page, photos["barack-obama-2012"])
        expect(page.locator(".kf-face h2")).to_contain_text("Barack Obama")

    def test_two_people_are_merged(self, page: Page, server: str, photos: dict[str, Path]) -> None:
        enrol(page, server, "B. Obama", photos["barack-obama-senate"])
        page.goto(f"{server}/gallery")
        button(page, "Open").first.click()
        expect(page.get_by_role("heading", name="B. Obama")).to_be_visible()
        unfold(page, "Merge with somebody")
        settled(page)
        page.get_by_role("combobox").click()
        page.get_by_role("option", name="Barack Obama").click()
        settled(page)
        button(page, "Merge").click()
        expect(page.get_by_text("B. Obama was merged into Barack Obama: 1 photo moved.")).to_be_visible()

    def test_whoever_is_removed_leaves_the_run_too(self, page: Page, server: str) -> None:
        page.goto(f"{server}/gallery")
        button(page, "Open").first.click()
        expect(page.get_by_role("heading", name="Barack Obama")).to_be_visible()
        unfold(page, "Remove")
        button(page, "Remove this person…").click()
        expect(page.get_by_text("From runs: at least 2 faces")).to_be_visible()
        button(page, "Erase for good").click()
        expect(page.get_by_text("Barack Obama was erased, with 3 photos.")).to_be_visible()
        page.goto(f"{server}/batch")
        expect(page.get_by_text("4 files, one face")).to_be_visible()

    @pytest.mark.parametrize("address", ["batch", "unknowns"])
    def test_a_phone_needs_no_sideways_scrolling(self, page: Page, server: str, address: str) -> None:
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{server}/{address}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390

    def test_a_run_is_removed(self, page: Page, server: str) -> None:
        page.goto(f"{server}/batch")
        button(page, "Remove…").click()
        button(page, "Erase the run").click()
        expect(page.get_by_text("The run Holiday was erased.")).to_be_visible()
        expect(page.get_by_text("There are no runs yet.")).to_be_visible()
