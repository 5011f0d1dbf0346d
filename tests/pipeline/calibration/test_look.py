"""What a calibration's comparisons look like, held against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.calibration import Photos, Wanted, calibrate, compare, look


def people(count: int = 40, each: int = 3) -> Photos:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(count, 1, 24)) + 0.7 * rng.normal(size=(count, each, 24))
    vectors = vectors.reshape(-1, 24)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    owners = np.repeat(np.arange(count), each).astype(np.int32)
    usable = np.ones(len(owners), np.bool_)
    names = [str(number) for number in range(count)]
    return Photos(vectors.astype(np.float32), np.ones(len(owners), np.float32), owners, usable, names, "m", "d")


def test_every_threshold_has_the_errors_that_counting_gives() -> None:
    photos = people()
    compared = compare(photos)
    seen = look(compared, "verify")
    rows = compared.rows[compared.halves[1]]
    scores = np.clip(photos.vectors[rows] @ photos.vectors[rows].T, -1, 1)
    i, j = np.triu_indices(len(rows), 1)
    alike = photos.owners[rows][i] == photos.owners[rows][j]
    for row in range(0, len(seen.thresholds), 7):
        matched = scores[i, j] >= seen.thresholds[row]
        assert seen.wrong[row] == pytest.approx(matched[~alike].mean(), abs=1e-9)
        assert seen.missed[row] == pytest.approx(1 - matched[alike].mean(), abs=1e-9)
    assert seen.strangers.sum() == pytest.approx(1)
    assert seen.same.sum() == pytest.approx(1)
    assert (seen.pairs, seen.mated) == (20 * 19 // 2, int(alike.sum()))


@pytest.mark.parametrize("task", ["verify", "identify"])
def test_a_calibrated_threshold_shows_the_rates_it_is_reported_with(task: str) -> None:
    photos = people(80)
    compared = compare(photos)
    wanted = Wanted((0.02,), (0.1,), (40,))
    points = {point.task: point for point in calibrate(photos, wanted, compared).points}
    assert points == {point.task: point for point in calibrate(photos, wanted).points}
    point = points[task]
    at = look(compared, task, 40).at(point.threshold)  # type: ignore[arg-type]
    assert (at.wrong.value, at.wrong.upper, at.missed) == (point.fmr, point.fmr_upper, point.fnmr)


def test_the_curve_of_a_gallery_falls_with_the_threshold() -> None:
    seen = look(compare(people()), "identify", 20)
    assert seen.size == 20
    assert (np.diff(seen.wrong) <= 1e-12).all()
    assert (np.diff(seen.missed) >= 0).all()
    assert seen.wrong[0] == pytest.approx(1)
    assert seen.wrong[-1] < seen.wrong[0]
