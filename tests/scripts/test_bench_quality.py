"""The bench of the unified quality score: made people whose blurred photos are missed, and what it says of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from scripts.benches._quality_fit import Comparisons, discarding, fit, held_out, predict, worth
from scripts.benches._quality_photos import KINDS, Photos, degrade
from scripts.benches.quality import FITS, report, run


def made(people: int = 60, seed: int = 3) -> Photos:
    """Three photos of each: two good ones, and one whose template is as noisy as its features are low."""
    rng = np.random.default_rng(seed)
    vectors, worst, kinds = [], [], []
    for _ in range(people):
        own = rng.standard_normal(64)
        for kind, noise in ((-1, 0.4), (-1, 0.5), (0, rng.uniform(0.5, 4))):
            drawn = own + noise * rng.standard_normal(64)
            vectors.append((drawn / np.linalg.norm(drawn)).astype(np.float32))
            worst.append(noise)
            kinds.append(kind)
    names = np.repeat([f"person {number}" for number in range(people)], 3)
    files = np.array([f"{name}/{min(place % 3, 1)}" for place, name in enumerate(names)])
    features = {name: rng.uniform(0, 1, len(names)) for name in (*FITS["model"], "former")}
    features["norm"] = 10 - 2 * np.array(worst) + 0.1 * rng.standard_normal(len(names))
    return Photos(np.stack(vectors), features, names, files, np.array(kinds), 4)


def test_a_score_that_knows_lowers_the_misses_of_people_it_never_saw() -> None:
    photos = made()
    found = report(photos)
    best, chance = (found["held_out"][way]["all, FMR 0.01"] for way in ("unified score", "the former product"))
    assert best["comparisons"] == chance["comparisons"] == 180
    before, after, change = (best[key] for key in ("percent_before", "percent_after_10", "change_points"))
    assert before[0] > 3
    assert after[0] < 0.7 * before[0]
    assert change[1] <= change[0] <= change[2] < 0
    assert chance["change_points"][2] > -0.5, "what is drawn by chance knows nothing"
    assert found["no_face"] == 4
    assert found["misses_percent_at_fmr_1e-2"]["blur"] > found["misses_percent_at_fmr_1e-2"]["as it is"]


def test_no_person_is_in_two_folds_and_each_is_scored_by_the_others_fit() -> None:
    photos = made()
    comparisons, fold = Comparisons(photos), photos.fold(2)
    assert set(fold) == {0, 1}
    for name in set(photos.people):
        assert len(set(fold[photos.people == name])) == 1
    scores = held_out(comparisons, FITS["model"])
    other = predict(photos, fit(comparisons, fold != 1, FITS["model"]))
    np.testing.assert_allclose(scores[fold == 1], other[fold == 1])
    assert not np.allclose(scores[fold == 0], other[fold == 0])


def test_leaving_out_the_worst_tenth_is_what_counting_by_hand_says() -> None:
    rng = np.random.default_rng(1)
    quality, failed = rng.permutation(40).astype(float), rng.random(40) < 0.4
    before, after, change = discarding(failed, quality, np.arange(40) // 2, draws=50)
    kept = failed[np.argsort(quality)][4:]
    assert before[0] == pytest.approx(100 * failed.mean(), abs=0.01)
    assert after[0] == pytest.approx(100 * kept.mean(), abs=0.01)
    assert change[0] == pytest.approx(after[0] - before[0], abs=0.02)
    assert before[1] < before[0] < before[2]
    assert discarding(failed, quality, np.arange(40) // 2, draws=50) == (before, after, change), "the draws are seeded"


def test_the_curve_begins_with_all_comparisons() -> None:
    photos = made()
    comparisons = Comparisons(photos)
    found = worth(comparisons, photos.features["norm"], ~photos.degraded, 1e-2)
    assert found["comparisons"] == 2 * 60
    assert found["curve"][0] == pytest.approx(found["misses"] / found["comparisons"], abs=1e-6)


def test_photos_are_kept_and_read_again(tmp_path: Path) -> None:
    photos = made(8)
    photos.save(tmp_path / "kept.npz")
    again = Photos.load(tmp_path / "kept.npz")
    np.testing.assert_array_equal(again.vectors, photos.vectors)
    np.testing.assert_array_equal(again.people, photos.people)
    assert again.features.keys() == photos.features.keys()
    assert again.missed == 4


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_every_way_of_spoiling_a_photo_spoils_it(kind: int) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (48, 64, 3), np.uint8)
    spoilt = degrade(picture, kind, np.random.default_rng(0))
    assert (spoilt.shape, spoilt.dtype) == (picture.shape, np.uint8)
    assert np.abs(spoilt.astype(float) - picture).mean() > 10


def test_without_the_folder_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no folder"):
        run([str(tmp_path / "none")])
