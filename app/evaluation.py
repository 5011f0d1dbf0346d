"""1:1 evaluation on a list of pairs: from the photo, through the whole pipeline, failures counted as errors."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.services import Services
from pipeline.errors import ConfigError, PhotoError
from pipeline.metrics import equal_error_rate, k_fold_accuracy, match_rate, threshold_at_fmr, wilson_interval
from pipeline.types import F32, F64

_FMRS = (1e-1, 1e-2, 1e-3, 1e-4)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos, relative to the folder of photos, and whether they show one person."""

    a: str
    b: str
    mated: bool


@dataclass(frozen=True, slots=True, eq=False)
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

    def as_dict(self) -> dict[str, Any]:
        """The figures, as `knownface evaluate pairs --json` prints them."""
        mated = np.array([pair.mated for pair in self.pairs], dtype=bool)
        failed = np.isnan(self.scores)
        # A failed pair is missed where it is mated and never matched where it is not: the lowest score says both.
        scores = np.where(failed, -np.inf, self.scores)
        accuracy = k_fold_accuracy(scores, mated, failed, folds=min(10, len(scores)))
        return {
            "pairs": len(self.pairs),
            "mated": int(mated.sum()),
            "non_mated": int((~mated).sum()),
            "fta": int(failed.sum()),
            "accuracy": {"mean": accuracy.mean, "std": accuracy.std},
            "eer": equal_error_rate(scores[mated], scores[~mated]),
            "tar_at_fmr": [_tar(scores[mated], scores[~mated], fmr) for fmr in _FMRS if fmr * (~mated).sum() >= 1],
            "model_id": self.model_id,
        }


def _tar(mated: F64, non_mated: F64, fmr: float) -> dict[str, Any]:
    threshold = threshold_at_fmr(non_mated, fmr)
    tar = match_rate(mated, threshold)
    missed_low, missed_high = wilson_interval(round((1 - tar) * len(mated)), len(mated))
    return {"fmr": fmr, "tar": tar, "threshold": threshold, "interval": [1 - missed_high, 1 - missed_low]}


def read_pairs(file: Path) -> list[Pair]:
    """Reads LFW's pairs.txt: a first line of counts, then `NAME i j` (mated) or `NAME i NAME j` (non-mated).

    Raises:
        ConfigError: The file is not text, or a line has another form.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not a text file in UTF-8; give a list of pairs in LFW's form") from error
    pairs = []
    for number, line in enumerate(lines, 1):
        fields = line.split("\t") if "\t" in line else line.split()
        if not fields or (number == 1 and all(field.isdigit() for field in fields)):
            continue
        try:
            if len(fields) == 3:
                pairs.append(Pair(_lfw(fields[0], fields[1]), _lfw(fields[0], fields[2]), True))
            else:
                one, i, other, j = fields
                pairs.append(Pair(_lfw(one, i), _lfw(other, j), False))
        except ValueError as error:
            raise ConfigError(f"{file}: line {number} is neither `NAME i j` nor `NAME i NAME j`") from error
    if not any(pair.mated for pair in pairs) or all(pair.mated for pair in pairs):
        raise ConfigError(f"{file}: both mated and non-mated pairs are needed")
    return pairs


def _lfw(name: str, number: str) -> str:
    if "/" in name or "\\" in name or name in ("", ".", ".."):
        raise ValueError("a name cannot be a path")
    return f"{name}/{name}_{int(number):04d}.jpg"


def embed_photos(services: Services, folder: Path, names: Iterable[str]) -> dict[str, F32 | PhotoError]:
    """Template of the most prominent face of each photo, (D,) float32, or why there is none."""
    from pipeline.recognizer import no_face

    opened = services.recognizer.stream(
        names, lambda name: services.open(folder / name), workers=services.settings.worker_count
    )
    result: dict[str, F32 | PhotoError] = {}
    for name, faces in opened:
        if isinstance(faces, PhotoError):
            result[name] = faces
        elif not len(faces):
            result[name] = no_face(name)
        else:
            result[name] = faces.templates.vectors[0]
    return result


def evaluate_pairs(
    services: Services,
    folder: Path,
    pairs: Sequence[Pair],
    watch: Callable[[Sequence[str]], Iterable[str]] = lambda names: names,
) -> PairsReport:
    """Scores every pair; each photo is embedded once.

    Args:
        services: Recognizer and settings.
        folder: The photos.
        pairs: Which to compare.
        watch: Passes the names of the photos through, to show progress.
    """
    names = sorted({name for pair in pairs for name in (pair.a, pair.b)})
    found = embed_photos(services, folder, watch(names))
    scores, failures = [], []
    for pair in pairs:
        a, b = found[pair.a], found[pair.b]
        failure = next((side.code for side in (a, b) if isinstance(side, PhotoError)), "")
        failures.append(failure)
        scores.append(np.nan if isinstance(a, PhotoError) or isinstance(b, PhotoError) else float(a @ b))
    return PairsReport(pairs, np.array(scores), failures, services.recognizer.model_id)


def write_scores(file: Path, report: PairsReport) -> None:
    """CSV with the columns a, b, mated, score, failure; score is empty where a photo failed."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["a", "b", "mated", "score", "failure"])
        for pair, score, failure in zip(report.pairs, report.scores, report.failures, strict=True):
            writer.writerow([pair.a, pair.b, int(pair.mated), "" if np.isnan(score) else f"{score:.6f}", failure])
