"""app.exporting.parity: what counts as deciding otherwise, against slow counting by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.evaluation.records import Pair
from app.exporting.faces import FaceSet
from app.exporting.parity import Tolerance, compare, every_comparison, listed_comparisons, summary
from pipeline.errors import ConfigError
from pipeline.types import F32, OperatingPoint

POINT = OperatingPoint(
    task="verify",
    threshold=0.5,
    fmr=0.001,
    fnmr=0.02,
    non_mated=9,
    mated=9,
    fmr_upper=0.1,
    model_id="a.b@00000000",
    measured_on="made up",
    target=1e-3,
)


def faces(people: int, photos: int) -> FaceSet:
    count = people * photos
    crops = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    names = tuple(f"p{row // photos}/{row % photos}.png" for row in range(count))
    return FaceSet(crops, np.repeat(np.arange(people), photos), names, "made up")


def vectors(people: int, photos: int, spread: float = 0.5, seed: int = 0) -> F32:
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(people, 32)), photos, axis=0)
    return unit(centres + spread * rng.normal(size=centres.shape))


def unit(rows: Any) -> F32:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def judged(before: F32, after: F32, shown: FaceSet, tolerance: Tolerance, point: OperatingPoint | None = POINT) -> Any:
    return compare(before, {"here": after}, shown, every_comparison(shown), point, tolerance)


def test_flips_and_cosines_are_those_counted_by_hand() -> None:
    shown, before = faces(8, 4), vectors(8, 4, spread=0.9)
    after = unit(before + 0.12 * np.random.default_rng(1).normal(size=before.shape))
    found = judged(before, after, shown, Tolerance(0.5))
    counts = dict.fromkeys(("mated_lost", "mated_gained", "non_mated_lost", "non_mated_gained"), 0)
    for i in range(len(shown)):
        for j in range(i + 1, len(shown)):
            was, now = (float(np.float64(v[i]) @ np.float64(v[j])) >= 0.5 for v in (before, after))
            if was != now:
                kind = "mated" if shown.owners[i] == shown.owners[j] else "non_mated"
                counts[f"{kind}_{'lost' if was else 'gained'}"] += 1
    flips = found["exported"]["here"]["flips"]
    assert {key: flips[key] for key in counts} == counts
    assert sum(counts.values()) > 0
    cosine = np.array([float(np.float64(a) @ np.float64(b)) for a, b in zip(before, after, strict=True)])
    assert found["exported"]["here"]["cosine"]["mean"] == pytest.approx(cosine.mean(), abs=1e-9)
    assert found["exported"]["here"]["cosine"]["max_distance"] == pytest.approx(1 - cosine.min(), abs=1e-9)
    assert summary(found)["flips"] == sum(counts.values())
    assert (found["mated"], found["non_mated"]) == (8 * 6, 32 * 31 // 2 - 8 * 6)


def test_the_very_same_vectors_pass_everything() -> None:
    shown, before = faces(8, 4), vectors(8, 4)
    found = judged(before, before, shown, Tolerance(0.9999999, 0))
    assert found["problems"] == []
    assert found["source_rates"] == found["exported"]["here"]["rates"]
    assert [row["fmr"] for row in found["source_rates"]] == [0.1, 0.01], "448 comparisons show no rate of 1/1000"
    assert all(row["interval"][0] <= row["tar"] <= row["interval"][1] for row in found["source_rates"])


def test_a_low_cosine_is_refused() -> None:
    shown, before = faces(6, 3), vectors(6, 3, spread=0.1)
    after = unit(before + 0.03 * np.random.default_rng(1).normal(size=before.shape))
    (problem,) = judged(before, after, shown, Tolerance(0.999, 10_000))["problems"]
    assert problem.startswith("here: mean cosine 0.9")
    assert judged(before, after, shown, Tolerance(0.9, 10_000))["problems"] == []


def test_scores_near_one_are_refused_though_every_mated_pair_matches() -> None:
    """opencv_zoo issues 189 and 256: an int8 embedder that finds everybody alike."""
    shown, before = faces(10, 5), vectors(10, 5, spread=0.2)
    after = unit(before + 3.0)
    problems = judged(before, after, shown, Tolerance(0.0))["problems"]
    assert len(problems) == 1
    assert "non-mated comparisons are decided otherwise" in problems[0]


def test_flips_that_cancel_out_count_all_the_same() -> None:
    shown, before = faces(20, 6), vectors(20, 6, spread=1.0)
    after = before.reshape(20, 6, -1)[::-1].reshape(before.shape)  # everybody takes somebody else's vectors
    found = judged(before, after, shown, Tolerance(-1.0))
    flips = found["exported"]["here"]["flips"]
    assert flips["mated_lost"] == flips["mated_gained"] > 0, "the error rates are the same to the last digit"
    assert any("mated comparisons are decided otherwise" in text for text in found["problems"])


def test_the_interval_leaves_a_few_flips_open_and_no_more() -> None:
    shown, before = faces(20, 6), vectors(20, 6, spread=0.6)
    scores = every_comparison(shown)
    allowed = judged(before, before, shown, Tolerance(0.9))["tolerance"]["interval"]
    assert 0 < allowed["mated"] < 300 * 0.2
    assert allowed["mated"] < scores.mated.sum()
    few = judged(vectors(4, 2), vectors(4, 2), faces(4, 2), Tolerance(0.9))["tolerance"]["interval"]
    assert few == {"mated": 0, "non_mated": 0}, "so few comparisons excuse nothing"


def test_without_an_operating_point_the_source_gives_its_own() -> None:
    shown, before = faces(8, 4), vectors(8, 4)
    found = judged(before, before, shown, Tolerance(0.9), point=None)
    point = found["operating_point"]
    assert "the source's own" in point["origin"]
    assert point["threshold"] == found["source_rates"][-1]["threshold"]


def test_the_worst_runtime_decides() -> None:
    shown, before = faces(6, 3), vectors(6, 3)
    bad = unit(before + 0.3 * np.random.default_rng(1).normal(size=before.shape))
    found = compare(before, {"one": before, "two": bad}, shown, every_comparison(shown), POINT, Tolerance(0.999, 9999))
    assert [text.split(":")[0] for text in found["problems"]] == ["two"]
    assert summary(found)["mean_cosine"] < 0.999


def test_comparisons_need_both_kinds() -> None:
    with pytest.raises(ConfigError, match="two people"):
        every_comparison(faces(1, 5))
    with pytest.raises(ConfigError, match="two usable photos"):
        every_comparison(faces(5, 1))
    shown = faces(3, 2)
    listed = listed_comparisons(shown, [Pair("p0/0.png", "p0/1.png", True), Pair("p0/0.png", "p2/1.png", False)])
    assert (listed.a.tolist(), listed.b.tolist(), listed.mated.tolist()) == ([0, 0], [1, 5], [True, False])
    with pytest.raises(ConfigError, match="no usable"):
        listed_comparisons(shown, [Pair("p0/0.png", "p0/9.png", True), Pair("p0/0.png", "p2/1.png", False)])


def test_faces_of_one_set_are_taken_out_of_another() -> None:
    every = faces(4, 3)
    some = every.rows(every.owners % 4 == 0)
    rest = every.without(some)
    assert (len(rest), rest.people) == (9, 3)
    assert not set(rest.names) & set(some.names)
    assert len(every.at_most(5)) == 5
    assert every.at_most(50) is every
