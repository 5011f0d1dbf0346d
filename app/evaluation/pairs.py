"""1:1 evaluation on pairs: scores, and the figures of the whole set and of each group."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from app.evaluation import figures
from app.evaluation.cache import EmbeddingCache
from app.evaluation.embed import Opener, embed
from app.evaluation.records import Pair, subject_codes
from app.services import Services
from pipeline.errors import PhotoError
from pipeline.gallery import private
from pipeline.metrics import (
    Bools,
    area_under_roc,
    error_curve,
    failures_as_errors,
    k_fold_accuracy,
    match_rate,
    threshold_at_fmr,
    wilson_interval,
)
from pipeline.types import F32, F64

Watch = Callable[[Sequence[str]], Iterable[str]]


@dataclass(frozen=True, eq=False)
class PairsReport:
    """Scores of a list of pairs.

    Attributes:
        pairs: The N pairs.
        scores: (N,) float64; NaN where a photo failed.
        failures: (N,) the error's code where a photo failed, else "".
        model_id: The model that made the scores.
    """

    pairs: Sequence[Pair]
    scores: F64
    failures: Sequence[str]
    model_id: str

    @cached_property
    def mated(self) -> Bools:
        """(N,) which pairs show one person."""
        return np.array([pair.mated for pair in self.pairs], dtype=bool)

    @cached_property
    def counted(self) -> F64:
        """(N,) scores in which a failure is an error: -inf."""
        return failures_as_errors(self.scores)

    def as_dict(self) -> dict[str, Any]:
        """The figures, as `knownface evaluate ... --json` prints them."""
        mated, scores = self.mated, self.counted
        failed = np.isnan(self.scores)
        folds = [pair.fold for pair in self.pairs]
        fold_of = None if None in folds else np.array(folds, np.intp)
        accuracy = k_fold_accuracy(scores, mated, failed, folds=min(10, len(scores)), fold_of=fold_of)
        rates = figures.supported(figures.RATES, int((~mated).sum()))
        a, b, subjects = subject_codes(self.pairs)
        ends = figures.intervals_of(scores, mated, a, b, rates)
        rows = [_tar(scores[mated], scores[~mated], rate) for rate in rates]
        people = len(np.unique(a[mated]))
        trials = min(len(scores), subjects)  # comparisons that share people are not independent
        missed_low, missed_high = wilson_interval(round((1 - accuracy.mean) * trials), trials)
        for column, row in enumerate(rows, 1):
            missed = figures.subject_interval(ends[:, column], 1 - row["tar"], people)
            row["subject_interval"] = missed and [1 - missed[1], 1 - missed[0]]
        eer = error_curve(scores[mated], scores[~mated]).equal_error_rate()
        return {
            "pairs": len(self.pairs),
            "mated": int(mated.sum()),
            "non_mated": int((~mated).sum()),
            "subjects": subjects,
            "fta": int(failed.sum()),
            "failures": dict(sorted(Counter(code for code in self.failures if code).items())),
            "accuracy": {
                "mean": accuracy.mean,
                "std": accuracy.std,
                "folds": len(accuracy.thresholds),
                "interval": [1 - missed_high, 1 - missed_low],
            },
            "eer": eer,
            "eer_interval": figures.subject_interval(ends[:, 0], eer, min(people, subjects // 2)),
            "auc": area_under_roc(scores[mated], scores[~mated]),
            "tar_at_fmr": rows,
            "groups": self._groups(rows),
            "model_id": self.model_id,
        }

    def curves(self) -> dict[str, Any]:
        """What the plots of a report show."""
        scores = self.counted
        curve = error_curve(scores[self.mated], scores[~self.mated])
        return {"det": figures.curve_points(curve), "histogram": figures.histogram(scores, self.mated)}

    def _groups(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        """Error rates of each group at one threshold for all: that of the lowest rate up to 1e-3 which can be shown."""
        columns = list(dict.fromkeys(column for pair in self.pairs for column, _ in pair.groups))
        if not columns or not rows:
            return {}
        row = min(rows, key=lambda row: (row["fmr"] < 1e-3, row["fmr"]))
        by_pair = [dict(pair.groups) for pair in self.pairs]
        tables = {}
        for column in columns:
            values = np.array([groups.get(column, "") for groups in by_pair])
            tables[column] = [self._group(value, values == value, row) for value in sorted(set(values.tolist()))]
        return tables

    def _group(self, value: str, members: Bools, row: Mapping[str, Any]) -> dict[str, Any]:
        scores, threshold = self.counted, row["threshold"]
        fnmr = figures.error_row(scores, members & self.mated, threshold, matches=False)
        fmr = figures.error_row(scores, members & ~self.mated, threshold, matches=True)
        eer = error_curve(scores[members & self.mated], scores[members & ~self.mated]).equal_error_rate()
        return {
            "value": value,
            "mated": fnmr["comparisons"],
            "non_mated": fmr["comparisons"],
            "fta": int(np.isnan(self.scores[members]).sum()),
            "threshold": threshold,
            "threshold_fmr": row["fmr"],
            "fmr": fmr["rate"],
            "fmr_interval": fmr["interval"],
            "fnmr": fnmr["rate"],
            "fnmr_interval": fnmr["interval"],
            "eer": None if np.isnan(eer) else eer,
        }


def _tar(mated: F64, non_mated: F64, fmr: float) -> dict[str, Any]:
    threshold = threshold_at_fmr(non_mated, fmr)
    tar = match_rate(mated, threshold)
    missed_low, missed_high = wilson_interval(round((1 - tar) * len(mated)), len(mated))
    return {"fmr": fmr, "tar": tar, "threshold": threshold, "interval": [1 - missed_high, 1 - missed_low]}


def evaluate_pairs(
    services: Services,
    folder: Path,
    pairs: Sequence[Pair],
    watch: Watch = lambda names: names,
    *,
    aligned: bool = False,
    cache: EmbeddingCache | None = None,
) -> PairsReport:
    """Scores every pair of photos of a folder; each photo is embedded once.

    Args:
        services: Recognizer and settings.
        folder: The photos.
        pairs: Which to compare.
        watch: Passes the names of the photos through, to show progress.
        aligned: The photos are aligned crops.
        cache: Where templates are kept between runs.
    """
    return score_pairs(
        services, pairs, lambda name: services.open(folder / name), watch=watch, aligned=aligned, cache=cache
    )


def score_pairs(
    services: Services,
    pairs: Sequence[Pair],
    opener: Opener,
    *,
    watch: Watch = lambda names: names,
    aligned: bool = False,
    cache: EmbeddingCache | None = None,
) -> PairsReport:
    """The same for photos that are opened by `opener`."""
    names = sorted({name for pair in pairs for name in (pair.a, pair.b)})
    found = embed(services, watch(names), opener, aligned=aligned, cache=cache)
    return compare_found(pairs, found, services.recognizer.model_id)


def compare_found(pairs: Sequence[Pair], found: Mapping[str, F32 | PhotoError], model_id: str) -> PairsReport:
    """The same for templates that are there already."""
    scores, failures = [], []
    for pair in pairs:
        a, b = found[pair.a], found[pair.b]
        failure = next((side.code for side in (a, b) if isinstance(side, PhotoError)), "")
        failures.append(failure)
        scores.append(np.nan if isinstance(a, PhotoError) or isinstance(b, PhotoError) else float(a @ b))
    return PairsReport(pairs, np.array(scores, np.float64), failures, model_id)


def write_scores(file: Path, report: PairsReport) -> None:
    """CSV with the columns a, b, mated, score, failure; score is empty where a photo failed.

    Where it is new, only its owner may read it.
    """
    private.touch(file)
    with file.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        writer = csv.writer(stream)
        writer.writerow(["a", "b", "mated", "score", "failure"])
        for pair, score, failure in zip(report.pairs, report.scores, report.failures, strict=True):
            writer.writerow([pair.a, pair.b, int(pair.mated), "" if np.isnan(score) else f"{score:.6f}", failure])
