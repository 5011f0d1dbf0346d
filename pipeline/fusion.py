"""How much each member of an ensemble should count, fitted on photos of known people.

The score of an ensemble is the weighted mean of its members' scores. The weights are chosen from a grid so that the
mean of the false non-match rates at several false match rates is lowest. That is done on a random half of the people,
many times, and the chosen weights are averaged; the other half, in which nobody of the first is seen, says what they
bring.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.types import F32, F64

#: False match rates at which weights are compared; one that a half of the people cannot support is left out.
FMRS = (1e-2, 1e-3, 1e-4)
_ROUNDS = 10
_MAX_PHOTOS = 2000  # of one half: two million comparisons
_STEPS = {2: 20, 3: 10, 4: 8}  # of the grid, by the number of members
_LEAST = 0.01


@dataclass(frozen=True, slots=True)
class FusionFit:
    """Weights and what is known about them.

    Attributes:
        weights: One per member, each above 0; they sum to 1.
        spread: Standard deviation of each weight over the rounds.
        fmrs: The false match rates at which the rates below were measured.
        fused: False non-match rate of the ensemble on people not fitted on, per FMR, mean over the rounds, in [0, 1].
        alone: The same for each member alone.
        rounds: Random halves that were drawn.
        photos: Photos that were used.
        people: People on them.
    """

    weights: tuple[float, ...]
    spread: tuple[float, ...]
    fmrs: tuple[float, ...]
    fused: tuple[float, ...]
    alone: tuple[tuple[float, ...], ...]
    rounds: int
    photos: int
    people: int


def fit_weights(
    templates: Sequence[F32], owners: Sequence[str], *, rounds: int = _ROUNDS, seed: int = 20260101
) -> FusionFit:
    """Fits the weights of an ensemble.

    Args:
        templates: One (N, D) array of unit rows per member, rows of the same photos; 2 to 4 members.
        owners: Who is on each of the N photos.
        rounds: Random halves of the people to draw.
        seed: Of those draws: the same photos give the same weights.

    Raises:
        ConfigError: There are too few photos or people, or a member adds nothing.
    """
    if len(templates) not in _STEPS:
        raise ConfigError("an ensemble has two to four members")
    _, person = np.unique(np.array(owners), return_inverse=True)
    rng = np.random.default_rng(seed)
    chosen, fused, alone = list[F64](), [], []
    fmrs: tuple[float, ...] = ()
    single = np.eye(len(templates))
    for _ in range(rounds):
        halves = [_Pairs(templates, person, rows) for rows in _halves(person, rng)]
        fmrs = fmrs or _supported(min(half.non_mated.shape[1] for half in halves))
        if not fmrs or not all(half.mated.shape[1] for half in halves):
            raise ConfigError("too few photos to fit an ensemble: give several photos each of at least 30 people")
        for fit, test in (halves, halves[::-1]):
            best = _best(fit, fmrs)
            chosen.append(best)
            fused.append(test.fnmrs(best, fmrs))
            alone.append([test.fnmrs(row, fmrs) for row in single])
    weights: F64 = np.stack(chosen).mean(axis=0)
    if weights.min() < _LEAST:
        raise ConfigError(f"member {int(weights.argmin()) + 1} adds nothing on these photos: leave it out")
    rounded = np.round(weights, 2)
    rounded[rounded.argmax()] += 1 - rounded.sum()
    return FusionFit(
        tuple(float(round(w, 2)) for w in rounded),
        tuple(float(s) for s in np.std(chosen, axis=0)),
        fmrs,
        tuple(np.mean(fused, axis=0).tolist()),
        tuple(tuple(row) for row in np.mean(alone, axis=0).tolist()),
        rounds,
        len(person),
        int(person.max()) + 1,
    )


class _Pairs:
    """Every comparison among some photos: each member's scores."""

    def __init__(self, templates: Sequence[F32], person: npt.NDArray[np.intp], rows: npt.NDArray[np.intp]) -> None:
        i, j = np.triu_indices(len(rows), 1)
        same = person[rows][i] == person[rows][j]
        scores = np.stack([(member[rows] @ member[rows].T)[i, j] for member in templates])
        self.mated, self.non_mated = scores[:, same], scores[:, ~same]

    def fnmrs(self, weights: F64, fmrs: Sequence[float]) -> list[float]:
        """False non-match rates at false match rates: a match lies above the k-th highest non-mated score."""
        row = weights.astype(np.float32)
        mated, non_mated = row @ self.mated, row @ self.non_mated
        places = [len(non_mated) - 1 - int(fmr * len(non_mated)) for fmr in fmrs]
        highest = np.partition(non_mated, places)
        return [float((mated <= highest[place]).mean()) for place in places]


def _supported(non_mated: int) -> tuple[float, ...]:
    return tuple(fmr for fmr in FMRS if fmr * non_mated >= 10)


def _halves(person: npt.NDArray[np.intp], rng: np.random.Generator) -> list[npt.NDArray[np.intp]]:
    """Photos of a random half of the people, and of the others."""
    order = rng.permutation(int(person.max()) + 1)
    sides = np.zeros(len(order), bool)
    sides[order[: len(order) // 2]] = True
    parts = [rng.permutation(np.flatnonzero(sides[person] == side)) for side in (True, False)]
    return [np.sort(part[:_MAX_PHOTOS]) for part in parts]


def _best(pairs: _Pairs, fmrs: Sequence[float]) -> F64:
    """The weights with the lowest mean rate; the mean of those that tie."""
    steps = _STEPS[len(pairs.mated)]
    grid = np.array(list(_simplex(len(pairs.mated), steps))) / steps
    rates = np.array([np.mean(pairs.fnmrs(weights, fmrs)) for weights in grid])
    best: F64 = grid[rates <= rates.min() + 1e-12].mean(axis=0)
    return best


def _simplex(members: int, steps: int) -> Iterator[list[int]]:
    """Every way to deal out `steps` parts among the members."""
    if members == 1:
        yield [steps]
        return
    for first in range(steps + 1):
        for rest in _simplex(members - 1, steps - first):
            yield [first, *rest]
