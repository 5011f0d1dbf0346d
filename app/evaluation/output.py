"""The report's files: report.json, report.md, report.html and comparisons.csv, in a folder of their own."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from app.evaluation.html import Gallery, Shown, html_of
from app.evaluation.identification import IdentificationReport, searches_csv
from app.evaluation.markdown import markdown_of
from app.evaluation.pairs import PairsReport
from app.evaluation.pictures import Pictures
from pipeline.config import Settings
from pipeline.errors import ConfigError
from pipeline.version import __version__

#: Every comparison of a run, beside its report.json: what `evaluate compare` reads.
COMPARISONS = "comparisons.csv"
_FORMAT = 1
_WORST = 12


@dataclass(frozen=True, slots=True)
class Run:
    """What was run: the command in words, its settings, and when it began.

    Attributes:
        command: As it was typed, or could be.
        settings: Those in force.
        started: Seconds of the monotonic clock.
    """

    command: str
    settings: Settings
    started: float = field(default_factory=time.monotonic)

    def as_dict(self) -> dict[str, Any]:
        """Settings and command; and, apart from everything that repeats, time and machine."""
        machine = (
            f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        )
        return {
            "settings": self.settings.model_dump(mode="json", exclude={"home", "gallery", "index_url"}),
            "command": self.command,
            "run": {
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - self.started, 1),
                "version": __version__,
                "machine": machine,
            },
        }


def write_pairs_report(
    folder: Path, figures: dict[str, Any], report: PairsReport, run: Run, pictures: Pictures | None
) -> None:
    """Writes the report of a 1:1 evaluation; `pictures` is None where no photo may appear."""
    document = {"format": _FORMAT, "kind": "verification", **figures, "curves": report.curves(), **run.as_dict()}
    galleries = _worst_pairs(report, pictures) if pictures else []
    _write(folder, document, galleries, _pairs_csv(report))


def write_identification_report(
    folder: Path, figures: dict[str, Any], report: IdentificationReport, run: Run, pictures: Pictures | None
) -> None:
    """Writes the report of a 1:N evaluation; `pictures` is None where no photo may appear."""
    curves = report.curves(figures["max_rank"])
    document = {"format": _FORMAT, "kind": "identification", **figures, "curves": curves, **run.as_dict()}
    galleries = _worst_searches(report, pictures) if pictures else []
    _write(folder, document, galleries, searches_csv(report))


def _write(folder: Path, document: dict[str, Any], galleries: Sequence[Gallery], comparisons: str) -> None:
    document["scores_file"] = COMPARISONS
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise ConfigError(f"{folder}: is a file; --out names a folder") from error
    write_text(folder / COMPARISONS, comparisons)
    write_text(folder / "report.md", markdown_of(document))
    write_text(folder / "report.html", html_of(document, galleries))
    write_text(folder / "report.json", json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(file: Path, text: str) -> None:
    """Writes to a temporary name, readable by its owner only, and renames it."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            stream.write(text)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# --- every comparison ------------------------------------------------------------------------------------------------


def _pairs_csv(report: PairsReport) -> str:
    columns = list(dict.fromkeys(column for pair in report.pairs for column, _ in pair.groups))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["a", "b", "mated", "score", "failure", "fold", "subject_a", "subject_b", *columns])
    for pair, score, failure in zip(report.pairs, report.scores, report.failures, strict=True):
        groups = dict(pair.groups)
        fold = "" if pair.fold is None else pair.fold
        own = [pair.a, pair.b, int(pair.mated), "" if np.isnan(score) else repr(float(score)), failure, fold]
        writer.writerow([*own, pair.subject_a, pair.subject_b, *(groups.get(column, "") for column in columns)])
    return text.getvalue()


# --- the worst -------------------------------------------------------------------------------------------------------


def _worst_pairs(report: PairsReport, pictures: Pictures) -> list[Gallery]:
    """The mated pairs of lowest and the non-mated ones of highest score, and what failed."""
    failed = np.isnan(report.scores)
    order = np.argsort(report.counted, kind="stable")
    mated, other = ([row for row in order if report.mated[row] == kind and not failed[row]] for kind in (True, False))

    def shown(row: int) -> Shown:
        pair = report.pairs[row]
        what = report.failures[row] or f"{report.scores[row]:.3f}"
        return Shown(pictures.of(pair.a), pictures.of(pair.b), f"{what}: {pair.a}, {pair.b}")

    return [
        Gallery("One person, lowest scores", [shown(row) for row in mated[:_WORST]]),
        Gallery("Different people, highest scores", [shown(row) for row in other[::-1][:_WORST]]),
        Gallery("Failures to acquire", [shown(int(row)) for row in np.flatnonzero(failed)[:_WORST]]),
    ]


def _worst_searches(report: IdentificationReport, pictures: Pictures) -> list[Gallery]:
    """Mated probes whose own subject scores lowest, and unknown people whom somebody is most like."""
    sample: dict[str, str] = {}
    for subject, photo in report.enrolled:
        sample.setdefault(subject, photo)
    failed = np.array([bool(code) for code in report.failures])
    own = np.argsort(np.where(report.mated & ~failed, report.mate_scores, np.inf), kind="stable")
    top = np.argsort(np.where(~report.mated & ~failed, -report.tops, np.inf), kind="stable")
    mated, other = int((report.mated & ~failed).sum()), int((~report.mated & ~failed).sum())

    def shown(row: int, against: str, score: float) -> Shown:
        photo = report.probes[row][1]
        beside = pictures.of(sample[against]) if against in sample else None
        return Shown(pictures.of(photo), beside, f"{score:.3f}: {photo}, {against}")

    return [
        Gallery(
            "Enrolled people, lowest scores with themselves",
            [shown(row, report.probes[row][0], report.mate_scores[row]) for row in own[: min(_WORST, mated)]],
        ),
        Gallery(
            "Unknown people, highest scores",
            [shown(row, report.named[row], report.tops[row]) for row in top[: min(_WORST, other)]],
        ),
    ]
