"""The parity report: NAME.parity.json, .md and .html, written whether the export passed or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.evaluation.charts import Series, line_chart, linear_axis
from app.evaluation.html import page_of
from app.evaluation.markdown import facts_of, markdown_page
from app.evaluation.output import write_text
from app.evaluation.tables import Table, percent, span
from app.exporting.parity import summary

_TERMS = (
    "Cosine distance: 1 minus the cosine similarity of the exported model's vector of a face and the source's. Flip: a "
    "comparison whose score lies on the other side of the source's threshold. TAR: share of the mated comparisons that "
    "match at the threshold with that FMR on these very comparisons, fitted anew for each model (the re-fitted "
    "threshold). Intervals are of 95 %, the wider of the one by comparison and the one by resampling people."
)


def write(folder: Path, name: str, document: dict[str, Any]) -> None:
    """Writes the three files into a folder that exists."""
    parts = title_of(document), document["model_id"], headline(document)
    tables, facts = tables_of(document), [*_own_facts(document), *facts_of(document)]
    write_text(folder / f"{name}.parity.md", markdown_page(*parts, tables, facts))
    write_text(folder / f"{name}.parity.html", page_of(*parts, _charts(document), tables, [], _TERMS, facts))
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(folder / f"{name}.parity.json", text)


def title_of(document: dict[str, Any]) -> str:
    """The heading."""
    verdict = "decides like" if document["passed"] else "REFUSED: does not decide like"
    return f"{document['name']}, {document['precision']}, {verdict} {document['source']['model_id']}"


def headline(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The few figures at the top: name, value, what it is held against."""
    parity, worst = document["parity"], summary(document["parity"])
    flips, allowed = parity["tolerance"]["max_flips"], parity["tolerance"]["interval"]
    limit = f"at most {flips}" if flips is not None else f"open: {allowed['mated']} mated, {allowed['non_mated']} not"
    return [
        ("mean cosine", f"{worst['mean_cosine']:.5f}", f"at least {parity['tolerance']['mean_cosine']:g}"),
        ("lowest of a face", f"{worst['min_cosine']:.4f}", f"of {parity['faces']:,} faces"),
        ("decided otherwise", f"{worst['flips']:,}", f"of {parity['comparisons']:,}; {limit}"),
        ("size", f"{document['size'] / 1e6:.1f} MB", _beside(document["source"]["size"])),
    ]


def _beside(size: int | None) -> str:
    return f"source {size / 1e6:.1f} MB" if size else "the source is a checkpoint"


def tables_of(document: dict[str, Any]) -> list[Table]:
    """The tables: vectors and decisions, error rates, cost."""
    parity = document["parity"]
    tables = [_vectors(parity), _error_rates(parity), _cost(document["timing"])]
    if document["problems"]:
        rows = [[text] for text in document["problems"]]
        tables.insert(0, Table("Why it was refused", ("outside tolerance",), rows))
    return tables


def _vectors(parity: dict[str, Any]) -> Table:
    columns = (
        *("runtime", "mean distance", "largest", "mean cosine", "mated lost", "mated gained"),
        *("non-mated gained", "non-mated lost", "largest score change"),
    )
    rows = []
    for runtime, found in parity["exported"].items():
        cosine, flips = found["cosine"], found["flips"]
        counts = [flips[key] for key in ("mated_lost", "mated_gained", "non_mated_gained", "non_mated_lost")]
        distances = [f"{cosine['mean_distance']:.2g}", f"{cosine['max_distance']:.2g}", f"{cosine['mean']:.5f}"]
        rows.append([runtime, *distances, *map(str, counts), f"{flips['largest_score_change']:.4f}"])
    point = parity["operating_point"]
    note = (
        f"Decisions at {point['threshold']:.4f} ({point['origin']}), over {parity['mated']:,} mated and "
        f"{parity['non_mated']:,} non-mated comparisons of {parity['faces']:,} faces of {parity['people']:,} people "
        f"({parity['data']}; {parity['failed']} photos could not be used)."
    )
    return Table("Vectors and decisions", columns, rows, note)


def _error_rates(parity: dict[str, Any]) -> Table:
    rows = []
    for number, before in enumerate(parity["source_rates"]):
        each = [("source", before), *((name, found["rates"][number]) for name, found in parity["exported"].items())]
        rows += [
            [percent(row["fmr"]), name, percent(row["tar"]), span(row["interval"]), f"{row['threshold']:.4f}"]
            for name, row in each
        ]
    columns = ("FMR", "model", "TAR", "95 %", "re-fitted threshold")
    few = "" if rows else " These comparisons are too few to show any rate."
    return Table("TAR at fixed FMR", columns, rows, f"A rate is listed only where the comparisons can show it.{few}")


def _cost(timing: Sequence[dict[str, Any]]) -> Table:
    rows = []
    for row in timing:
        first = next(iter(row["ms_per_face"].values()))
        rows += [[str(row["batch"]), name, f"{ms:.2f}", f"{first / ms:.2f}"] for name, ms in row["ms_per_face"].items()]
    note = "On one thread, in turns in one run; medians. The first of each batch is the source."
    return Table("Cost", ("batch", "model", "ms per face", "times as quick as the source"), rows, note)


def _charts(document: dict[str, Any]) -> list[tuple[str, str]]:
    parity = document["parity"]
    found = list(parity["exported"].items())[:2]
    top = max(max(each["cosine"]["distances"]) for _, each in found) or 1e-6
    x, y = linear_axis("share of the faces", 0, 1, percent=True), linear_axis("cosine distance to the source", 0, top)
    series = [
        Series(name, [(share / 100, value) for share, value in enumerate(each["cosine"]["distances"])], f"s{number}")
        for number, (name, each) in enumerate(found)
    ]
    names = " and ".join(
        f"{name} ({'first' if not number else 'second'} colour)" for number, (name, _) in enumerate(found)
    )
    charts = [
        (
            line_chart("Cosine distance to the source", x, y, series, []),
            f"Cosine distance of the faces, sorted: {names}.",
        )
    ]
    if len(parity["source_rates"]) > 1:
        charts.append(_tar_chart(parity, found))
    return charts


def _tar_chart(parity: dict[str, Any], found: Sequence[tuple[str, Any]]) -> tuple[str, str]:
    rates = [row["fmr"] for row in parity["source_rates"]]
    worst = [min(each["rates"][number]["tar"] for _, each in found) for number in range(len(rates))]
    low = min(*worst, *(row["tar"] for row in parity["source_rates"]))
    x = linear_axis("FMR, as a power of ten", -len(rates), -1)
    y = linear_axis("TAR", max(0.0, low - 0.02), 1.0, percent=True)
    series = [
        Series("source", [(-n, row["tar"]) for n, row in enumerate(parity["source_rates"], 1)]),
        Series("exported", [(-n, tar) for n, tar in enumerate(worst, 1)], "s1"),
    ]
    svg = line_chart("TAR at fixed FMR, source and exported", x, y, series, [])
    return svg, "TAR at fixed FMR: the source (first colour) and the exported model (second), its worst runtime."


def _own_facts(document: dict[str, Any]) -> list[tuple[str, str]]:
    calibration = document["calibration"]
    return [
        ("exported from", document["source"]["model_id"]),
        ("opset", str(document["opset"])),
        ("preprocessing folded in", "yes" if document["folded"] else "no"),
        (
            "calibrated on",
            f"{calibration['faces']} faces of {calibration['people']} people, {calibration['data']}"
            if calibration
            else "nothing",
        ),
    ]
