"""The report: the same figures twice, everything escaped, nothing but itself needed, private."""

from __future__ import annotations

import html.parser
import itertools
import json
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.evaluation.charts import deviate_axis, line_chart, linear_axis
from app.evaluation.identification import search_found
from app.evaluation.output import Run, write_identification_report, write_pairs_report
from app.evaluation.pairs import PairsReport, evaluate_pairs
from app.evaluation.pictures import Pictures
from app.evaluation.plans import Plan
from app.evaluation.records import Pair
from app.evaluation.tables import headline, percent, span
from app.services import Services
from pipeline.config import Settings
from pipeline.errors import ConfigError
from pipeline.metrics import wilson_interval
from tests.fakes import GREEN, MODEL_ID, RED, YELLOW, fake_recognizer, vector_of, write_bars

NASTY = '<script>alert("x")</script>|`*&\n'


def made_up(seed: int = 1, count: int = 300) -> PairsReport:
    rng = np.random.default_rng(seed)
    mated = np.arange(count) % 2 == 0
    scores = rng.normal(0.1, 0.12, count) + 0.5 * mated
    scores[5] = np.nan
    pairs = [
        Pair(
            f"s{i % 40}/{i}.jpg",
            f"s{(i if m else i + 1) % 40}/x{i}{NASTY}",
            bool(m),
            groups=(("age", "old" if i % 3 else NASTY),),
        )
        for i, m in enumerate(mated)
    ]
    return PairsReport(pairs, scores, ["no_face" if np.isnan(s) else "" for s in scores], MODEL_ID)


def written(folder: Path, report: PairsReport, pictures: Pictures | None = None) -> dict[str, Any]:
    figures = {**report.as_dict(), "protocol": f"made up {NASTY}"}
    write_pairs_report(folder, figures, report, Run(f"knownface evaluate {NASTY}", Settings()), pictures)
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


class Page(html.parser.HTMLParser):
    """Counts tags and checks that they close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "onload")]
        if tag not in ("meta", "img", "line", "circle", "polyline", "polygon", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "circle", "polyline", "polygon", "rect"):
            assert self.open.pop() == tag


def test_the_same_figures_twice(tmp_path: Path) -> None:
    first, second = (written(tmp_path / name, made_up()) for name in "ab")
    first.pop("run"), second.pop("run")
    assert first == second
    assert (tmp_path / "a/comparisons.csv").read_bytes() == (tmp_path / "b/comparisons.csv").read_bytes()
    svgs = [
        re.findall(r"<svg.*?</svg>", (tmp_path / name / "report.html").read_text(encoding="utf-8")) for name in "ab"
    ]
    assert svgs[0] == svgs[1]
    assert len(svgs[0]) == 2
    assert first["kind"] == "verification"
    assert {"pairs", "mated", "non_mated", "fta", "accuracy", "eer", "tar_at_fmr", "model_id"} <= set(first)
    assert "home" not in first["settings"], "no path of the machine"


def test_everything_is_escaped_and_self_contained(tmp_path: Path) -> None:
    written(tmp_path, made_up())
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert page.addresses == []
    assert "http" not in text.replace("http-equiv", "")
    assert "default-src 'none'" in text
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<script>" not in markdown
    assert "\\|" in markdown
    widths = {
        line.count(" | ") for line in markdown.split("## By age")[1].split("##")[0].splitlines() if line[:1] == "|"
    }
    assert len(widths) == 1, "no cell breaks its row"
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_few_people_do_not_look_sure() -> None:
    mated = np.arange(40) % 2 == 0
    pairs = [Pair(f"s{i % 5}/{i}.jpg", f"s{(i if m else i + 1) % 5}/x{i}.jpg", bool(m)) for i, m in enumerate(mated)]
    document = {**PairsReport(pairs, mated * 0.8, [""] * 40, MODEL_ID).as_dict(), "kind": "verification"}
    name, value, interval = headline(document)[0]
    assert (name, value) == ("accuracy", "100 %")
    low, high = document["accuracy"]["interval"]
    assert low == pytest.approx(1 - wilson_interval(0, 5)[1]), "five people, not forty pairs"
    assert high == 1
    assert interval == span([low, high])


@pytest.mark.parametrize("low", [1e-4, 0.002, 0.05])
def test_numbers_on_an_axis_do_not_overlap(low: float) -> None:
    axis = deviate_axis("FPIR", low, 0.9)
    svg = line_chart("title", axis, deviate_axis("FNIR", 0.01, 0.9), [], [])
    found = re.findall(r'<text x="([\d.]+)" y="282" text-anchor="(\w+)">([^<]+)</text>', svg)
    assert len(found) > 3
    ends = [(float(x) - 7 * len(text) * (1.0 if anchor == "end" else 0.5), 7 * len(text)) for x, anchor, text in found]
    for (left, width), (right, _) in itertools.pairwise(ends):
        assert left + width < right


def test_the_worst_pairs_are_shown_or_not(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for name, colour in (("Ada/1", RED), ("Ada/2", GREEN), ("Bob/1", YELLOW), ("Bob/2", YELLOW)):
        write_bars(photos / f"{name}.png", colour, note=len(name) + int(name[-1]))
    write_bars(photos / "Cy/1.png")
    pairs = [Pair("Ada/1.png", "Ada/2.png", True), Pair("Bob/1.png", "Bob/2.png", True)]
    pairs += [
        Pair("Ada/1.png", "Bob/1.png", False),
        Pair("Ada/1.png", "Cy/1.png", False),
        Pair("Cy/1.png", "x.png", True),
    ]
    services = Services(Settings(workers=1))
    services._recognizer = fake_recognizer()
    report = evaluate_pairs(services, photos, pairs)
    pictures = Pictures(services, lambda name: services.open(photos / name), aligned=False)
    written(tmp_path / "with", report, pictures)
    page = Page((tmp_path / "with/report.html").read_text(encoding="utf-8"))
    assert page.tags.count("img") == 9, "five pairs of which one side cannot be opened"
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    text = (tmp_path / "with/report.html").read_text(encoding="utf-8")
    lowest = text.index("One person, lowest scores")
    assert text.index("Ada/1.png, Ada/2.png", lowest) < text.index("Bob/1.png, Bob/2.png", lowest)
    written(tmp_path / "without", report)
    text = (tmp_path / "without/report.html").read_text(encoding="utf-8")
    assert "img" not in Page(text).tags
    assert "Ada" not in text, "no names either"


def test_an_identification_report(tmp_path: Path) -> None:
    plan = Plan(
        [(f"s{i}", f"g{i}") for i in range(30)],
        [(f"s{i}", f"p{i}") for i in range(30)] + [(f"u{i}", f"q{i}") for i in range(40)],
        {},
    )
    rng = np.random.default_rng(3)
    found = {f"g{i}": vector_of(i) for i in range(30)}
    for i in range(30):
        row = vector_of(i) + rng.normal(0, 0.15, 32)
        found[f"p{i}"] = (row / np.linalg.norm(row)).astype(np.float32)
    found |= {f"q{i}": vector_of(f"q{i}") for i in range(40)}
    report = search_found(plan, found, MODEL_ID)
    write_identification_report(tmp_path, {**report.as_dict(), "protocol": "p"}, report, Run("c", Settings()), None)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert Page(text).tags.count("svg") == 3
    assert "FNIR at FPIR 10 %" in text
    assert "| 10 % |" in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("scores", "mated"), [([0.5, 0.5], [True, False]), ([np.nan, np.nan], [True, False])])
def test_few_and_failed_comparisons_make_a_report(tmp_path: Path, scores: list[float], mated: list[bool]) -> None:
    pairs = [Pair(f"{i}a", f"{i}b", m) for i, m in enumerate(mated)]
    written(tmp_path, PairsReport(pairs, np.array(scores), ["", ""], MODEL_ID))
    assert Page((tmp_path / "report.html").read_text(encoding="utf-8")).open == []


def test_out_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--out"):
        written(tmp_path / "file", made_up())


def test_axes_place_values_and_have_ticks() -> None:
    axis = deviate_axis("FMR", 1e-4, 0.5)
    assert (axis.place(0.0), axis.place(1e-4), axis.place(0.5), axis.place(1.0)) == (0, 0, 1, 1)
    assert axis.place(0.01) == pytest.approx((3.7190 - 2.3263) / 3.7190, abs=1e-4), "probit"
    assert axis.text(axis.ticks[0]) == "0.01 %"
    for low, high in ((0.0, 1.0), (-0.2, 0.93), (1, 20), (0.96, 1.0), (0.0, 1e-3)):
        ticks = linear_axis("x", low, high).ticks
        assert 3 <= len(ticks) <= 8
        assert low - 1e-9 <= ticks[0] < ticks[-1] <= high + 1e-9


def test_rates_are_written_with_the_digits_they_deserve() -> None:
    rates = (0.9912, 0.01, 0.0, 1.0, 0.00012345, 1e-6, None)
    assert [percent(rate) for rate in rates] == ["99.12 %", "1 %", "0 %", "100 %", "0.012 %", "0.0001 %", "–"]
