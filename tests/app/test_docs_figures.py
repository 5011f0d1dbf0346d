"""The figures and tables of docs/scores.md are what `python -m scripts.figures` writes."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from scripts.benches.__main__ import NAMES
from scripts.figures import IMAGES, PAGE, page, pictures

SVG = "{http://www.w3.org/2000/svg}"


def test_the_pictures_are_current() -> None:
    for name, svg in pictures().items():
        assert (IMAGES / name).read_text(encoding="utf-8") == svg, f"{name}: run python -m scripts.figures"


def test_the_tables_are_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run: python -m scripts.figures"
    assert re.findall(r"<!-- figures: (\w+) -->", text) == ["verify", "identify"]


def test_the_tables_follow_the_reports_and_the_card() -> None:
    text = PAGE.read_text(encoding="utf-8")
    emptied = re.sub(r"(<!-- figures: \w+ -->\n).*?(<!-- end -->)", r"\1\2", text, flags=re.DOTALL)
    assert emptied != text
    assert page(emptied) == text


def test_the_pictures_are_whole_and_show_lines() -> None:
    lines = {"scores.svg": "polygon", "errors.svg": "polyline", "thresholds.svg": "polyline"}
    for name, svg in pictures().items():
        root = ElementTree.fromstring(svg)  # noqa: S314 - written here
        assert len(root.findall(f"{SVG}{lines[name]}")) == 2
        assert root.get("aria-label")
        assert "prefers-color-scheme:dark" in svg


def test_every_benchmark_is_on_the_page_of_benchmarks() -> None:
    text = (PAGE.parent / "benchmarks.md").read_text(encoding="utf-8")
    named = set(re.findall(r"scripts/bench ([a-z0-9]+)", text))
    assert named == set(NAMES)
