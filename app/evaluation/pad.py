"""`evaluate pad`: how often pictures of faces are taken for live ones, and live ones for pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.photos import photos_in
from pipeline.errors import CalibrationError, PhotoError, PhotoNotFoundError
from pipeline.images import Photo, one_line
from pipeline.metrics import clopper_pearson_interval
from pipeline.metrics.attacks import apcer, balanced_threshold, bpcer
from pipeline.protocols import Detector, Liveness
from pipeline.types import F64, AttackRate, LivenessPoint

LIVE = "live"


@dataclass(frozen=True, slots=True)
class Presentation:
    """One photo of a set.

    Attributes:
        kind: `live`, or what the attack is made of.
        person: Whose it is: its file's name up to the first "_".
        score: Of the most prominent face; -inf where none was found or the photo cannot be used.
        error: Why there is no score, "" if there is one.
        file: Its path below the set's folder.
    """

    kind: str
    person: str
    score: float
    error: str
    file: str


def presentations(folder: Path) -> list[tuple[str, Path]]:
    """The photos of a set by kind: FOLDER/live/*.jpg, and FOLDER/KIND/*.jpg for every kind of attack.

    Raises:
        PhotoNotFoundError: There are no live photos, or no attacks.
    """
    kinds = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = [(kind.name, photo) for kind in kinds for photo in photos_in(kind)]
    if {LIVE} >= {kind for kind, _ in found} or LIVE not in {kind for kind, _ in found}:
        raise PhotoNotFoundError(
            f"{one_line(str(folder))}: a folder `live` with photos is expected, and one for each kind of attack"
        )
    return found


def score(
    folder: Path,
    items: Iterable[tuple[str, Path]],
    opened: Callable[[Path], Photo],
    detector: Detector,
    liveness: Liveness,
) -> Iterable[Presentation]:
    """The score of each photo, in order; one that cannot be used counts, as a presentation without a face."""
    for kind, file in items:
        person, name = file.name.split("_", 1)[0], str(file.relative_to(folder))
        try:
            photo = opened(file)
            found = detector.detect(photo)
            if len(found):
                live = float(liveness.live_scores(photo, found[[0]])[0])
                yield Presentation(kind, person, live, "", name)
                continue
            error = "no_face"
        except PhotoError as problem:
            error = problem.code
        yield Presentation(kind, person, -np.inf, error, name)


def halves(rows: Iterable[Presentation]) -> tuple[list[Presentation], list[Presentation]]:
    """Two sets without a person in common: every other person by name."""
    rows = list(rows)
    people = sorted({row.person for row in rows})
    first = set(people[::2])
    return [row for row in rows if row.person in first], [row for row in rows if row.person not in first]


def _by_kind(rows: Iterable[Presentation]) -> tuple[F64, dict[str, F64]]:
    kinds: dict[str, list[float]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(row.score)
    arrays = {kind: np.array(scores, np.float64) for kind, scores in sorted(kinds.items())}
    return arrays.pop(LIVE, np.zeros(0)), arrays


def choose(rows: Iterable[Presentation]) -> float:
    """The threshold at which the larger of both kinds of error is smallest.

    Raises:
        CalibrationError: There are no live photos, or no attacks.
    """
    live, attacks = _by_kind(rows)
    try:
        return balanced_threshold(live, attacks)[0]
    except ValueError as error:
        raise CalibrationError(f"no threshold can be chosen: {error}") from error


def report(rows: list[Presentation], threshold: float, chosen_on: str, model_id: str) -> dict[str, Any]:
    """Both rates at a threshold, with the intervals that so few presentations leave, as they go into JSON.

    Raises:
        CalibrationError: There are no live photos, or no attacks.
    """
    live, attacks = _by_kind(rows)
    if not len(live) or not attacks:
        raise CalibrationError("rates take live photos and attacks: both halves need people of both kinds")
    kinds = [_rate(kind, apcer(scores, threshold), len(scores)) for kind, scores in attacks.items()]
    turned_away = _rate(LIVE, bpcer(live, threshold), len(live))
    return {
        "model_id": model_id,
        "threshold": threshold,
        "chosen_on": chosen_on,
        "apcer": kinds,
        "bpcer": {key: value for key, value in turned_away.items() if key != "kind"},
        "no_face": sum(bool(row.error) for row in rows),
        "score_ranges": {kind: _range(scores) for kind, scores in {LIVE: live, **attacks}.items()},
    }


def _rate(kind: str, rate: float, count: int) -> dict[str, Any]:
    interval = clopper_pearson_interval(round(rate * count), count)
    return {"kind": kind, "rate": rate, "count": count, "interval": list(interval)}


def _range(scores: F64) -> list[float | None]:
    finite = scores[np.isfinite(scores)]
    return [float(finite.min()), float(np.median(finite)), float(finite.max())] if len(finite) else [None] * 3


def point_of(result: Mapping[str, Any], measured_on: str) -> dict[str, Any]:
    """The operating point for a model's card."""
    attacks = tuple(AttackRate(row["kind"], row["rate"], row["count"]) for row in result["apcer"])
    rate = result["bpcer"]
    point = LivenessPoint(result["threshold"], rate["rate"], rate["count"], attacks, result["model_id"], measured_on)
    return asdict(point)
