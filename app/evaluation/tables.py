"""The tables of a report: one source for Markdown, HTML and the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table of text.

    Attributes:
        title: Its heading.
        columns: Their names.
        rows: As many cells each.
        note: What has to be known to read it; "" for nothing.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def title_of(document: dict[str, Any]) -> str:
    """The heading of a report."""
    kind = "1:1 verification" if document["kind"] == "verification" else "1:N identification, open-set"
    return f"{kind}: {document['protocol']}"


def headline(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The few figures that stand at the top: name, value, interval."""
    if document["kind"] == "verification":
        accuracy = document["accuracy"]
        cards = [
            ("accuracy", percent(accuracy["mean"]), span(accuracy["interval"])),
            ("EER", percent(document["eer"]), span(document["eer_interval"])),
        ]
        cards += [
            (f"TAR at FMR {percent(row['fmr'])}", percent(row["tar"]), span(wider(row)))
            for row in document["tar_at_fmr"][-1:]
        ]
    else:
        cards = [("rank-1", percent(document["rank_1"]), span(wider(document, "rank_1_")))]
        cards += [
            (
                f"FNIR at FPIR {percent(row['fpir'])}",
                percent(row["fnir"]),
                span(wider(row)),
            )
            for row in document["fnir_at_fpir"][:2]
        ]
    fails = document["fta"] + document.get("fte", 0)
    return [*cards, ("failures", str(fails), "to acquire or enrol; counted as errors")]


def tables_of(document: dict[str, Any]) -> Iterator[Table]:
    """The tables of a report, in their order."""
    if document["kind"] == "verification":
        yield _counts(
            document,
            *("pairs", "mated", "non_mated", "subjects", "templates", "photos", "fte", "fta_photos", "fta"),
        )
        yield _verification(document)
        for column, rows in document["groups"].items():
            yield _group(column, rows)
    else:
        yield _counts(
            document, "subjects", "samples", "probes", "mated", "non_mated", "fte", "fte_photos", "fta", "max_rank"
        )
        yield _identification(document)


_NAMES = {
    "pairs": "comparisons",
    "mated": "mated",
    "non_mated": "non-mated",
    "subjects": "subjects",
    "samples": "enrolled photos",
    "probes": "probes",
    "templates": "templates",
    "photos": "photos",
    "fte": "failures to enrol (FTE)",
    "fte_photos": "photos that could not be enrolled",
    "fta": "failures to acquire (FTA)",
    "fta_photos": "photos that could not be used",
    "max_rank": "found means: within rank",
}


def _counts(document: dict[str, Any], *keys: str) -> Table:
    rows = [[_NAMES[key], f"{document[key]:,}"] for key in keys if key in document]
    rows += [[f"– {code}", f"{count:,}"] for code, count in document["failures"].items()]
    note = "A failure is an error: a mated comparison that failed is missed at every threshold."
    return Table("What was compared", ("", "count"), rows, note)


def _verification(document: dict[str, Any]) -> Table:
    rows = [
        [
            percent(row["fmr"]),
            f"{row['threshold']:.4f}",
            percent(1 - row["tar"]),
            percent(row["tar"]),
            span(row["subject_interval"]),
            span(row["interval"]),
        ]
        for row in document["tar_at_fmr"]
    ]
    accuracy = document["accuracy"]
    columns = ("FMR", "threshold", "FNMR", "TAR", "95 % of TAR, by subject", "95 % of TAR, by pair")
    note = (
        f"A rate is listed only where {document['non_mated']:,} non-mated comparisons can show it: nothing is "
        f"interpolated below 1/N. EER {percent(document['eer'])} ({span(document['eer_interval'])}), area under the "
        f"ROC curve {document['auc']:.6f}. Accuracy {percent(accuracy['mean'])}, ± {percent(accuracy['std'])} over "
        f"{accuracy['folds']} folds (standard deviation); its interval counts as many trials as there are people."
    )
    return Table("Error rates", columns, rows, note)


def _identification(document: dict[str, Any]) -> Table:
    rows = [
        [
            percent(row["fpir"]),
            f"{row['threshold']:.4f}",
            percent(row["fnir"]),
            span(row["subject_interval"]),
            span(row["interval"]),
        ]
        for row in document["fnir_at_fpir"]
    ]
    columns = ("FPIR", "threshold", "FNIR", "95 % of FNIR, by subject", "95 % of FNIR, by probe")
    note = (
        f"A rate is listed only where {document['non_mated']:,} non-mated probes can show it. The thresholds hold for "
        f"a gallery of {document['subjects']:,} subjects; a larger one needs a higher threshold. Intervals resample "
        "the people searched, with the gallery as it is."
    )
    return Table("Error rates", columns, rows, note)


def _group(column: str, rows: Sequence[dict[str, Any]]) -> Table:
    cells = [
        [
            row["value"] or "(none)",
            f"{row['mated']:,}",
            f"{row['non_mated']:,}",
            str(row["fta"]),
            percent(row["fnmr"]),
            span(row["fnmr_interval"]),
            percent(row["fmr"]),
            span(row["fmr_interval"]),
        ]
        for row in rows
    ]
    columns = (column, "mated", "non-mated", "FTA", "FNMR", "95 %", "FMR", "95 %")
    at = f"{rows[0]['threshold']:.4f}, that of FMR {percent(rows[0]['threshold_fmr'])} over all pairs"
    return Table(f"By {column}", columns, cells, f"All at one threshold: {at}. Intervals are by pair (Wilson).")


def percent(rate: float | None) -> str:
    """A rate in per cent with the digits it deserves; a dash where there is none."""
    if rate is None:
        return "–"
    if 0 < abs(rate) < 0.001:
        return f"{rate * 100:.2g} %"
    return f"{rate * 100:.2f}".rstrip("0").rstrip(".") + " %"


def wider(row: Mapping[str, Any], prefix: str = "") -> list[float] | None:
    """The hull of the intervals by subject and by comparison: with a handful of errors the first can be too narrow."""
    known = [ends for ends in (row[f"{prefix}subject_interval"], row[f"{prefix}interval"]) if ends]
    return [min(low for low, _ in known), max(high for _, high in known)] if known else None


def span(interval: Sequence[float] | None) -> str:
    """An interval in per cent."""
    return "–" if interval is None else f"{percent(interval[0])} to {percent(interval[1])}"
