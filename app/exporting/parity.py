"""Whether an exported model decides like its source: cosines, decisions, error rates, on the same real faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.evaluation import figures
from app.evaluation.records import Codes, Pair
from app.exporting.faces import FaceSet
from pipeline.errors import ConfigError
from pipeline.metrics import Bools, subject_bootstrap, threshold_at_fmr, wilson_interval
from pipeline.metrics.curves import Counts, error_curve
from pipeline.types import F32, F64, OperatingPoint

#: Non-mated comparisons that are looked at, at most; drawn by a fixed seed where there are more.
_NON_MATED = 200_000
_DRAWS = 400
_ENOUGH = 100  # comparisons of a kind below which an interval excuses nothing


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an export may be from its source.

    Attributes:
        mean_cosine: Lowest mean cosine similarity to the source's vectors.
        max_flips: Comparisons that may be decided otherwise; None for as many as the 95 % interval of the source's own
            error rate leaves open.
    """

    mean_cosine: float
    max_flips: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """What is compared: (C,) rows of the faces on either side, and whether both show one person."""

    a: Codes
    b: Codes
    mated: Bools

    def scores(self, vectors: F32) -> F64:
        """(C,) cosine similarities of unit rows."""
        wide = vectors.astype(np.float64)
        scores: F64 = np.einsum("cd,cd->c", wide[self.a], wide[self.b])
        return scores


def every_comparison(faces: FaceSet) -> Comparisons:
    """Every face with every other; of different people at most 200,000, drawn by a fixed seed.

    Raises:
        ConfigError: Nobody has two photos, or there is one person only.
    """
    a, b = np.triu_indices(len(faces), 1)
    mated = faces.owners[a] == faces.owners[b]
    if mated.all() or not mated.any():
        raise ConfigError(f"{faces.data}: two people at least, one of them with two usable photos, are needed")
    others = np.flatnonzero(~mated)
    if len(others) > _NON_MATED:
        others = np.sort(np.random.default_rng(0).choice(others, _NON_MATED, replace=False))
    rows = np.sort(np.concatenate([np.flatnonzero(mated), others]))
    return Comparisons(a[rows], b[rows], mated[rows])


def listed_comparisons(faces: FaceSet, pairs: Sequence[Pair]) -> Comparisons:
    """The pairs of a list, as far as both photos could be used.

    Raises:
        ConfigError: That leaves none of a kind.
    """
    place = {name: row for row, name in enumerate(faces.names)}
    usable = [(place[p.a], place[p.b], p.mated) for p in pairs if p.a in place and p.b in place]
    if not {True, False} <= {mated for _, _, mated in usable}:
        raise ConfigError("the list of pairs names no usable mated, or no usable non-mated, photos of the folder")
    a, b, mated = (np.array(column) for column in zip(*usable, strict=True))
    return Comparisons(a.astype(np.intp), b.astype(np.intp), mated.astype(np.bool_))


def compare(
    source: F32,
    exported: Mapping[str, F32],
    faces: FaceSet,
    pairs: Comparisons,
    point: OperatingPoint | None,
    tolerance: Tolerance,
) -> dict[str, Any]:
    """Compares vectors of the same faces.

    Args:
        source: (N, D) unit rows of the source.
        exported: The same of the exported model, by the runtime that made them.
        faces: Whose they are.
        pairs: What is compared.
        point: The source's operating point; None takes the source's own threshold on these faces, at the lowest rate
            that they can show.
        tolerance: What is let through.

    Returns:
        A JSON document; `problems` says in words what is outside tolerance, and is empty where all is within.
    """
    before = pairs.scores(source)
    rates = figures.supported(figures.RATES, int((~pairs.mated).sum()))
    threshold, origin = _threshold(before, pairs.mated, point, rates)
    owners = faces.owners[pairs.a], faces.owners[pairs.b]
    own = _rates(before, pairs.mated, owners, rates)
    allowed = _allowed(before, pairs.mated, owners, threshold)
    by_runtime = {}
    for runtime, vectors in exported.items():
        after = pairs.scores(vectors)
        by_runtime[runtime] = {
            "cosine": _cosine(source, vectors),
            "flips": _flips(before, after, pairs.mated, threshold),
            "rates": _rates(after, pairs.mated, owners, rates),
        }
    return {
        "faces": len(faces),
        "people": faces.people,
        "failed": faces.failed,
        "data": faces.data,
        "comparisons": len(pairs.mated),
        "mated": int(pairs.mated.sum()),
        "non_mated": int((~pairs.mated).sum()),
        "operating_point": {"threshold": threshold, "origin": origin},
        "tolerance": {"mean_cosine": tolerance.mean_cosine, "max_flips": tolerance.max_flips, "interval": allowed},
        "source_rates": own,
        "exported": by_runtime,
        "problems": [text for name, found in by_runtime.items() for text in _problems(name, found, tolerance, allowed)],
    }


def _threshold(scores: F64, mated: Bools, point: OperatingPoint | None, rates: Sequence[float]) -> tuple[float, str]:
    if point is not None:
        return point.threshold, f"{point.origin}, for FMR {point.wanted:g}"
    rate = rates[-1] if rates else 1.0
    return threshold_at_fmr(scores[~mated], rate), f"the source's own on these faces, at FMR {rate:g}"


def _cosine(source: F32, vectors: F32) -> dict[str, Any]:
    cosines = np.einsum("nd,nd->n", source.astype(np.float64), vectors.astype(np.float64))
    distances = np.clip(1 - cosines, 0, 2)
    return {
        "mean": float(cosines.mean()),
        "min": float(cosines.min()),
        "mean_distance": float(distances.mean()),
        "max_distance": float(distances.max()),
        "distances": [float(value) for value in np.quantile(distances, np.linspace(0, 1, 101))],
    }


def _flips(before: F64, after: F64, mated: Bools, threshold: float) -> dict[str, Any]:
    """How many comparisons are decided otherwise, by kind and direction; how far the scores moved."""
    was, now = before >= threshold, after >= threshold
    return {
        "mated_lost": int((mated & was & ~now).sum()),
        "mated_gained": int((mated & ~was & now).sum()),
        "non_mated_lost": int((~mated & was & ~now).sum()),
        "non_mated_gained": int((~mated & ~was & now).sum()),
        "largest_score_change": float(np.abs(after - before).max()),
    }


def _rates(scores: F64, mated: Bools, owners: tuple[Codes, Codes], rates: Sequence[float]) -> list[dict[str, Any]]:
    """TAR at each FMR with its interval, and the threshold fitted to these scores."""
    if not rates:
        return []
    ends = figures.intervals_of(scores, mated, *owners, rates)
    curve, people = error_curve(scores[mated], scores[~mated]), len(np.unique(owners[0][mated]))
    rows = []
    for column, rate in enumerate(rates, 1):
        missed = curve.fnmr_at_fmr(rate)
        wilson = wilson_interval(round(missed * curve.mated), curve.mated)
        hull = [wilson, figures.subject_interval(ends[:, column], missed, people) or wilson]
        low, high = min(end[0] for end in hull), max(end[1] for end in hull)
        threshold = threshold_at_fmr(scores[~mated], rate)
        rows.append({"fmr": rate, "tar": 1 - missed, "interval": [1 - high, 1 - low], "threshold": threshold})
    return rows


def _allowed(scores: F64, mated: Bools, owners: tuple[Codes, Codes], threshold: float) -> dict[str, int]:
    """Flips of each kind that the 95 % interval of the source's error rate leaves open.

    The interval is the wider of Wilson's and of the one by resampling subjects; the flips, from the measured rate up to
    its upper end. Fewer than 100 comparisons of a kind leave none open: their interval would excuse anything.
    """
    wrong = np.where(mated, scores < threshold, scores >= threshold)

    def statistic(weights: Counts) -> F64:
        sums = [(weights[kind] * wrong[kind]).sum() / max(weights[kind].sum(), 1) for kind in (mated, ~mated)]
        return np.array(sums, np.float64)

    ends = subject_bootstrap(*owners, statistic, draws=_DRAWS)
    found = {}
    for column, (name, kind) in enumerate((("mated", mated), ("non_mated", ~mated))):
        trials, errors = int(kind.sum()), int(wrong[kind].sum())
        upper = max(wilson_interval(errors, trials)[1], float(np.nan_to_num(ends[1, column])))
        found[name] = max(0, int(np.floor(upper * trials - errors + 1e-9))) if trials >= _ENOUGH else 0
    return found


def _problems(runtime: str, found: Mapping[str, Any], tolerance: Tolerance, allowed: Mapping[str, int]) -> list[str]:
    problems = []
    if not found["cosine"]["mean"] >= tolerance.mean_cosine:
        mean = found["cosine"]["mean"]
        problems.append(f"{runtime}: mean cosine {mean:.5f} to the source is below {tolerance.mean_cosine:g}")
    flips = found["flips"]
    kinds = {kind: flips[f"{kind}_lost"] + flips[f"{kind}_gained"] for kind in ("mated", "non_mated")}
    if tolerance.max_flips is not None:
        if sum(kinds.values()) > tolerance.max_flips:
            problems.append(f"{runtime}: {sum(kinds.values())} decisions differ, more than {tolerance.max_flips}")
        return problems
    for kind, count in kinds.items():
        if count > allowed[kind]:
            problems.append(
                f"{runtime}: {count} {kind.replace('_', '-')} comparisons are decided otherwise; the source's own 95 % "
                f"interval leaves {allowed[kind]} open"
            )
    return problems


def summary(document: Mapping[str, Any]) -> dict[str, Any]:
    """The worst of all runtimes: lowest cosines, most flips."""
    found = list(document["exported"].values())
    names = ("mated_lost", "mated_gained", "non_mated_lost", "non_mated_gained")
    return {
        "mean_cosine": min(each["cosine"]["mean"] for each in found),
        "min_cosine": min(each["cosine"]["min"] for each in found),
        "flips": max(sum(each["flips"][name] for name in names) for each in found),
    }
