"""Draws the figures of docs/scores.md and writes its tables: `python -m scripts.figures`.

They come from the reports in docs/reports/lfw-dev (`report.json`, written by `knownface evaluate`) and from the card of
the default embedder (its points, written by `knownface calibrate --toml`). Who changes either runs this; a test says so
if not. The reports are made anew with the commands that they state.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from pathlib import Path
from typing import Any

from app.evaluation.charts import Axis, Series, deviate_axis, histogram_chart, line_chart, linear_axis, percent_text
from app.evaluation.tables import percent

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "scores.md"
IMAGES = ROOT / "docs" / "images"
_REPORTS = ROOT / "docs" / "reports" / "lfw-dev"
_CARD = ROOT / "weights" / "sface.2021dec.toml"
_MOST = 0.2  # of either error, in the picture
_PART = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
# A picture in a page follows the reader's system, as the theme does.
_STYLE = """<style>text{fill:#333;font:12px system-ui,sans-serif}.grid{stroke:#8886;stroke-width:.6}
.frame{fill:none;stroke:#8888}polyline{fill:none;stroke-width:2}.s0{stroke:#00796b}.s1{stroke:#c2410c}
.area{fill-opacity:.35;stroke-width:1.5}.s0.area{fill:#00796b}
.s1.area{fill:#c2410c;fill-opacity:.15;stroke-dasharray:3 2}circle.mark{fill:#7c3aed}
line.mark{stroke:#7c3aed;stroke-width:1.5}
@media(prefers-color-scheme:dark){text{fill:#ddd}.s0{stroke:#4db6ac}.s1{stroke:#fb923c}.s0.area{fill:#4db6ac}
.s1.area{fill:#fb923c}circle.mark{fill:#c4b5fd}line.mark{stroke:#c4b5fd}}</style>"""


def main() -> None:
    """Writes the pictures and the tables."""
    for name, svg in pictures().items():
        (IMAGES / name).write_text(svg, encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def pictures() -> dict[str, str]:
    """Each picture by the name of its file."""
    pairs, search = _report("folder"), _report("identify")
    drawn = {"scores.svg": _scores(pairs), "errors.svg": _errors(pairs, search), "thresholds.svg": _thresholds()}
    return {name: _standing_alone(svg) for name, svg in drawn.items()}


def page(text: str) -> str:
    """The page with its tables as the reports and the card have them now."""
    tables = {"verify": _verify_table(_report("folder")), "identify": _identify_table()}
    return _PART.sub(lambda found: f"{found[1]}{tables[found[2]]}{found[3]}", text)


def _scores(report: dict[str, Any]) -> str:
    data = report["curves"]["histogram"]
    shares = [[n / sum(counts) for n in counts] for counts in (data["mated"], data["non_mated"])]
    x = linear_axis("score", data["edges"][0], data["edges"][-1])
    y = linear_axis("share of the comparisons", 0.0, max(map(max, shares)), percent=True)
    lines = [point["threshold"] for point in _points("verify")]
    return histogram_chart("Scores of one person and of two", x, y, data["edges"], shares, lines)


def _errors(pairs: dict[str, Any], search: dict[str, Any]) -> str:
    x = deviate_axis("FMR (1:1), FPIR (1:N)", 0.5 / pairs["non_mated"], _MOST)
    y = deviate_axis("FNMR (1:1), FNIR (1:N)", 0.5 / pairs["mated"], _MOST)
    series = [Series("1:1", _shown(pairs), "s0"), Series("1:N", _shown(search), "s1")]
    rows = [(row["fmr"], 1 - row["tar"]) for row in pairs["tar_at_fmr"]]
    marks = [(fmr, fnmr, f"FMR {percent(fmr)}, FNMR {percent(fnmr)}") for fmr, fnmr in rows]
    return line_chart("Errors of both kinds at every threshold", x, y, series, marks)


def _shown(report: dict[str, Any]) -> list[tuple[float, float]]:
    """The curve where so many comparisons can show it: nothing below 1/N."""
    lowest = 1 / report["non_mated"]
    return [(rate, missed) for _, rate, missed in report["curves"]["det"] if lowest <= rate <= _MOST and missed > 0]


def _thresholds() -> str:
    sizes = (10, 100, 1000, 10000)
    x = Axis("people enrolled", sizes[0], sizes[-1], sizes, math.log10, "{:,g}".format)
    y = Axis("threshold", 0.25, 0.55, [0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55], text="{:.2f}".format)
    series = []
    for rate, colour in ((0.01, "s0"), (0.1, "s1")):
        points = [(point["gallery_size"], point["threshold"]) for point in _points("identify", rate)]
        series.append(Series(f"FPIR {percent_text(rate)}", points, colour))
    marks = [(at, height, f"{at:,} people: {height:.3f}") for line in series for at, height in line.points]
    return line_chart("The threshold grows with the gallery", x, y, series, marks)


def _verify_table(report: dict[str, Any]) -> str:
    rows = []
    for row in report["tar_at_fmr"]:
        ends = " to ".join(percent(1 - tar) for tar in reversed(row["subject_interval"]))
        rows.append(f"| {percent(row['fmr'])} | {row['threshold']:.3f} | {percent(1 - row['tar'])} | {ends} |")
    said = f"{report['pairs']:,} comparisons of {report['subjects']:,} people, {report['mated']:,} of them mated.\n"
    return _table(["FMR", "threshold", "FNMR", "95 % of FNMR, by subject"], rows) + "\n" + said


def _identify_table() -> str:
    rows = [
        f"| {p['gallery_size']:,} | {p['threshold']:.3f} | {percent(p['fmr'])} | {percent(p['fmr_upper'])} "
        f"| {percent(p['fnmr'])} | {p['method']} |"
        for p in _points("identify", 0.01)
    ]
    return _table(["people enrolled", "threshold", "FPIR measured", "at most (95 %)", "FNIR", "how"], rows)


def _table(head: list[str], rows: list[str]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows]) + "\n"


def _points(task: str, target: float | None = None) -> list[dict[str, Any]]:
    points = tomllib.loads(_CARD.read_text(encoding="utf-8"))["operating_points"]
    return [p for p in points if p["task"] == task and target in (None, p["target"])]


def _report(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((_REPORTS / name / "report.json").read_text(encoding="utf-8"))
    return document


def _standing_alone(svg: str) -> str:
    opening, rest = svg.split(">", 1)
    return f'{opening} xmlns="http://www.w3.org/2000/svg">{_STYLE}{rest}\n'


if __name__ == "__main__":
    main()
