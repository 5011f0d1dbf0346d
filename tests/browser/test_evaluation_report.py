"""The evaluation's report in a real browser: wide and narrow, light and dark, and nothing is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from app.evaluation.output import Run, write_pairs_report
from app.evaluation.pairs import PairsReport
from app.evaluation.records import Pair
from pipeline.config import Settings


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Figures of made-up scores, with long names and a table of groups."""
    rng = np.random.default_rng(4)
    mated = np.arange(400) % 2 == 0
    pairs = [
        Pair(f"{'a_long_name_' * 4}{i}/1.jpg", f"{i}/2.jpg", bool(m), groups=(("region", f"region {i % 4}"),))
        for i, m in enumerate(mated)
    ]
    result = PairsReport(pairs, rng.normal(0.1, 0.12, 400) + 0.5 * mated, [""] * 400, "fake.unit@00000000")
    folder = tmp_path_factory.mktemp("report")
    figures = {**result.as_dict(), "protocol": "made up"}
    write_pairs_report(folder, figures, result, Run("knownface evaluate", Settings()), None)
    return folder / "report.html"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_is_readable(page: Page, report: Path, width: int, scheme: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(report.as_uri())
    expect(page.get_by_role("img", name="FNMR over FMR")).to_be_visible()
    expect(page.get_by_role("heading", name="By region")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "no sideways scrolling"
    assert asked == [report.as_uri()], "one file, nothing else"
    text, ground = page.evaluate(
        "[getComputedStyle(document.querySelector('svg text')).fill, getComputedStyle(document.documentElement)"
        ".colorScheme]"
    )
    assert text == ("rgb(0, 0, 0)" if scheme == "light" else "rgb(255, 255, 255)")
    assert ground == "light dark"
    box = page.get_by_role("img", name="FNMR over FMR").bounding_box()
    assert box is not None
    assert box["width"] > 0.8 * width if width == 390 else box["width"] > 300
