"""From an empty gallery to the first correct verification, counted; and uploads that are too large."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_web import button, upload

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def photos(sample_photos: Path) -> dict[str, Path]:
    return {file.stem: file for file in sample_photos.rglob("*") if file.is_file()}


def test_the_first_verification_takes_six_clicks_and_two_uploads_at_most(
    page: Page, server: str, photos: dict[str, Path]
) -> None:
    clicks: list[object] = []
    page.expose_binding("clicked", lambda _: clicks.append(1))
    page.add_init_script("addEventListener('click', e => { if (e.isTrusted) clicked() }, true)")
    page.goto(server)
    expect(page.get_by_text("Nobody is enrolled yet.")).to_be_visible()
    button(page, "Compare two photos").click()
    expect(page.get_by_role("heading", name="Verify")).to_be_visible()
    uploads = [photos["barack-obama-2012"], photos["barack-obama-2010"]]
    for place, file in enumerate(uploads):
        upload(page, file, place=place)
    expect(page.get_by_role("heading", name="Same person", exact=True)).to_be_visible()
    assert 1 <= len(clicks) <= 6
    assert len(uploads) <= 2


def test_a_file_over_the_limit_is_refused_in_words(page: Page, server: str, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with large.open("wb") as stream:
        stream.truncate(65 * 2**20)
    page.goto(f"{server}/verify")
    upload(page, large)
    expect(page.get_by_text("File must be 64.0MB or smaller.")).to_be_visible()
    assert "Traceback" not in page.content()
