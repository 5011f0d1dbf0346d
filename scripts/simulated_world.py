"""Does calibration keep its word? A world in which the true error rates are known, calibrated again and again.

    python -m scripts.simulated_world [--runs 1000] [--json]

Score of subjects i and j: a_i + a_j + e_ij, all of variance 1 together. The identity effects a make comparisons that
share a person depend on each other, as lambs and wolves do (Doddington et al. 1998). Each run draws new people, half of
them to fit the threshold and half to check it, and asks whether the true rate is at or below the bound that is stated.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from statistics import NormalDist

import numpy as np

from pipeline.calibration.comparisons import NonMated
from pipeline.calibration.thresholds import fit_identify, fit_verify

#: Share of a score's variance that belongs to the two people (half of it to each).
WORLDS = {"independent": 0.0, "mild": 0.1, "strong": 0.3}
#: A few people who look like many others: their share, and by how much their scores are higher.
WOLVES = (0.03, 1.0)
KEPT = 0.15
#: Scores are divided by this, to lie in [-1, 1] as cosines do.
SCALE = 8.0


@dataclass(frozen=True)
class Outcome:
    """What came of the runs of one world.

    Attributes:
        held: Share of the runs in which the true rate is at or below the stated bound.
        true: Median of the true rate, as a multiple of the one asked for; `true_high` its 95 % quantile.
        bound: Median of the stated bound, likewise.
    """

    world: str
    people: int
    task: str
    rate: float
    size: int
    runs: int
    held: float
    true: float
    true_high: float
    bound: float


def half(world: str, people: int, rng: np.random.Generator, ordered: bool) -> NonMated:
    """Comparisons of so many new people, a photo each; the highest share KEPT of them."""
    one, other = np.triu_indices(people, 1)
    if world == "wolves":
        share, higher = WOLVES
        effect, spread = np.where(rng.random(people) < share, higher, 0.0), 1.0
    else:
        part = WORLDS[world]
        effect, spread = rng.standard_normal(people) * np.sqrt(part / 2), np.sqrt(1 - part)
    scores = (effect[one] + effect[other] + spread * rng.standard_normal(len(one))) / SCALE
    top = np.argpartition(-scores, int(KEPT * len(scores)))[: int(KEPT * len(scores))]
    top = top[np.argsort(-scores[top])]
    scores, one, other = scores[top], one[top].astype(np.int32), other[top].astype(np.int32)
    pairs = people * (people - 1) / 2
    if ordered:
        pairs *= 2
        scores = np.repeat(scores, 2)
        one, other = np.stack([one, other], 1).ravel(), np.stack([other, one], 1).ravel()
    owners = np.arange(people, dtype=np.int32)
    return NonMated(scores, np.ones(len(scores)), one, one, other, owners, people, pairs)


def true_rate(world: str, threshold: float, size: int) -> float:
    """The true FPIR in a gallery of `size` (1: the true FMR)."""
    t, above = threshold * SCALE, lambda x: 1 - NormalDist().cdf(x)
    if world == "wolves":
        share, higher = WOLVES
        chances = [
            (1 - share) * above(t - kind * higher) + share * above(t - (kind + 1) * higher) for kind in (0.0, 1.0)
        ]
        weights = [1 - share, share]
    else:
        part = WORLDS[world]
        nodes, weights = np.polynomial.hermite_e.hermegauss(64)
        weights = weights / weights.sum()
        spread = np.sqrt(1 - part / 2)
        chances = [above((t - node * np.sqrt(part / 2)) / spread) for node in nodes]
    return float(sum(w * -np.expm1(size * np.log1p(-p)) for w, p in zip(weights, chances, strict=True)))


def simulate(world: str, people: int, rate: float, size: int = 1, runs: int = 1000, seed: int = 1) -> Outcome:
    """Calibrates `runs` times with `people` new people in each half.

    Args:
        world: independent, mild, strong or wolves.
        people: In each half.
        rate: FMR, or FPIR for a gallery of `size`.
        size: Subjects in the gallery; 1 for verify.
        runs: How often.
        seed: Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    found = np.empty((runs, 2))
    for run in range(runs):
        fit, check = (half(world, people, rng, size > 1) for _ in range(2))
        if size == 1:
            threshold, measured = fit_verify(fit, check, rate)
        else:
            fitted = fit_identify(fit, check, rate, size)
            threshold, measured = fitted.threshold, fitted.rate
        found[run] = true_rate(world, threshold, size), measured.upper
    held = float(np.mean(found[:, 0] <= found[:, 1]))
    true, bound = np.median(found, axis=0) / rate
    high = float(np.quantile(found[:, 0], 0.95)) / rate
    task = "verify" if size == 1 else "identify"
    return Outcome(world, people, task, rate, size, runs, held, float(true), high, float(bound))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    cases = [(80, 1e-3, 1), (150, 1e-3, 1), (20, 1e-2, 20), (60, 1e-2, 100), (150, 1e-2, 1000), (300, 1e-2, 10000)]
    rows = [simulate(world, *case, runs=chosen.runs) for case in cases for world in (*WORLDS, "wolves")]
    if chosen.json:
        print(json.dumps({"outcomes": [asdict(row) for row in rows]}, indent=2))
        return
    print("| task | rate | gallery | people in each half | world | bound holds | true rate / asked | bound / asked |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        size = "" if row.size == 1 else f"{row.size:,}"
        true = f"{row.true:.2f} (95 % below {row.true_high:.1f})"
        print(
            f"| {row.task} | {row.rate:g} | {size} | {row.people} | {row.world} | {row.held:.1%} | {true} "
            f"| {row.bound:.1f} |"
        )


if __name__ == "__main__":
    main()
