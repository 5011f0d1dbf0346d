"""pipeline.calibration.calibrate on made-up people: what it refuses, what it reports, and that halves stay apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.calibration import Photos, Wanted, calibrate, require_support
from pipeline.calibration import halves as under_test
from pipeline.calibration.records import from_document, merged, to_document
from pipeline.errors import CalibrationError, GalleryDamagedError
from pipeline.gallery.fusion import fuse
from tests.fakes import points

MODEL = "fake.unit@00000000"
WANTED = Wanted((0.01,), (0.05,), (20,), 1, None, "calibration", "2026-01-01 on 120 people", "2026-01-01")


def made_up(people: int = 120, each: int = 2, seed: int = 0, noise: float = 0.6) -> Photos:
    """People as directions of 24 dimensions, photos as those with noise; the norm falls with the noise."""
    rng = np.random.default_rng(seed)
    faces = rng.normal(0, 1, (people, 24))
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    owners = np.repeat(np.arange(people), each).astype(np.int32)
    blur = rng.uniform(0.3, 1.0, len(owners)) * noise
    vectors = faces[owners] + blur[:, None] * rng.normal(0, 24**-0.5, (len(owners), 24))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    norms = (12 - 4 * blur).astype(np.float32)
    names = [f"P{i}" for i in range(people)]
    return Photos(vectors.astype(np.float32), norms, owners, np.ones(len(owners), np.bool_), names, MODEL, "made up")


def test_what_comes_out() -> None:
    photos = made_up()
    result = calibrate(photos, WANTED)
    verify, identify = result.points
    assert (verify.task, verify.target, verify.gallery_size) == ("verify", 0.01, None)
    assert (identify.task, identify.target, identify.gallery_size) == ("identify", 0.05, 20)
    assert (result.people, result.photos, result.failed) == (120, 240, 0)
    assert verify.non_mated == 60 * 59 // 2
    assert identify.non_mated == 60
    for point in result.points:
        assert point.model_id == MODEL
        assert point.origin == "your calibration of 2026-01-01 on 120 people"
        assert "240 photos of 120 people" in point.measured_on
        assert point.fmr <= point.fmr_upper
        assert point.threshold == round(point.threshold, 4)
        assert point.min_norm is not None
        assert photos.norms.min() <= point.min_norm < np.median(photos.norms)
    assert identify.threshold > verify.threshold
    assert identify.margin > 0
    assert 0 < result.cllr < 0.6
    assert calibrate(photos, WANTED) == result, "the same people give the same points"


def test_nobody_is_in_both_halves_and_the_check_does_not_move_the_threshold() -> None:
    photos = made_up()
    first, second = under_test._halves(photos.owners, photos.usable)
    assert not set(photos.owners[first]) & set(photos.owners[second])
    assert len(first) + len(second) == len(photos.owners)
    twisted = photos.vectors.copy()
    twisted[second] = photos.vectors[second][:, ::-1] * np.float32(0.5) + photos.vectors[second[0]] * np.float32(0.5)
    twisted /= np.linalg.norm(twisted, axis=1, keepdims=True)
    honest, fooled = calibrate(photos, WANTED).points[0], calibrate(replace(photos, vectors=twisted), WANTED).points[0]
    assert honest.threshold == fooled.threshold, "it comes from the first half alone"
    assert fooled.fmr > 10 * honest.fmr, "its error from the second"


def test_people_with_several_photos_are_dealt_evenly() -> None:
    owners = np.concatenate([np.repeat(np.arange(31), 3), np.arange(31, 60)]).astype(np.int32)
    halves = under_test._halves(owners, np.ones(len(owners), np.bool_))
    several = [len({owner for owner in owners[half] if owner < 31}) for half in halves]
    assert sorted(several) == [15, 16]


def test_photos_that_failed_are_misses_and_nobody_without_one_counts() -> None:
    photos = made_up()
    usable = photos.usable.copy()
    usable[::8] = False  # one photo of every fourth person
    usable[2:4] = False  # one person altogether
    worse = calibrate(replace(photos, usable=usable), WANTED)
    assert worse.failed == (~usable).sum()
    assert worse.people == 119
    assert worse.points[0].fnmr > calibrate(photos, WANTED).points[0].fnmr + 0.1


@pytest.mark.parametrize("lost", [30, 60])
def test_people_whose_photos_all_failed_are_misses(lost: int) -> None:
    photos = made_up()
    usable = photos.usable & (photos.owners >= lost)
    result = calibrate(replace(photos, usable=usable), replace(WANTED, fmrs=(0.02,)))
    assert result.people == 120 - lost
    assert result.failed == 2 * lost
    assert [point.mated for point in result.points] == [60, 120], "pairs and probes of half of the people"
    assert all(point.fnmr >= lost / 120 for point in result.points)


def test_more_photos_than_can_be_compared_are_drawn_by_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "MOST_PHOTOS", 150)
    result = calibrate(made_up(), replace(WANTED, fpirs=()))
    assert (result.people, result.photos) == (75, 150)


@pytest.mark.parametrize(
    ("rate", "size", "people", "words"),
    [
        (
            1e-3,
            1,
            20,
            "20 people cannot show a false match rate of 0.001: half of them, 10, make 45 pairs, and it takes",
        ),
        (
            1e-3,
            1,
            20,
            "3,000 pairs of different people in each half, that is about 156 people; these support 0.07 or more",
        ),
        (1e-6, 1, 900, "about 4,900 people"),
        (0.01, 1000, 40, "in a gallery of 1,000 of 0.01: half of them, 20, make 190 pairs, and it takes 2,985 pairs"),
        (0.05, 10, 30, "about 36 people"),
        (0.5, 1, 900, "ask for one up to 0.1"),
        (0.0, 1, 900, "ask for one up to 0.1"),
        (1e-3, 1, 0, "0 people cannot show"),
    ],
)
def test_a_rate_that_the_people_cannot_show_is_refused(rate: float, size: int, people: int, words: str) -> None:
    with pytest.raises(CalibrationError) as caught:
        require_support(rate, size, people // 2, people // 2, people)
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.code == "calibration_refused"


def test_the_number_of_people_that_is_named_is_enough() -> None:
    for rate, size in ((1e-3, 1), (0.05, 1), (0.01, 1000), (0.01, 100_000), (0.1, 2)):
        needed = 2
        for people in range(2, 4000, 2):
            try:
                require_support(rate, size, people // 2, people // 2, people)
            except CalibrationError as error:
                needed = int(error.message.split("about ")[1].split(" people")[0].replace(",", ""))
            else:
                break
        assert people == needed


def test_people_with_one_photo_each_are_refused() -> None:
    with pytest.raises(CalibrationError, match="two usable photos"):
        calibrate(made_up(each=1), WANTED)


# --- kept ------------------------------------------------------------------------------------------------------------


def test_points_survive_being_kept() -> None:
    made = calibrate(made_up(), WANTED).points
    again = from_document(to_document(made))
    assert [p.task for p in again] == ["verify", "identify"]
    for one, other in zip(made, again, strict=True):
        assert (one.threshold, one.target, one.basis, one.gallery_size) == (
            other.threshold, other.target, other.basis, other.gallery_size
        )  # fmt: skip
        assert other.fmr == pytest.approx(one.fmr, rel=1e-5)
        assert one.likelihood is not None
        assert other.likelihood is not None
        assert other.likelihood.slope == pytest.approx(one.likelihood.slope, rel=1e-5)
    assert from_document(to_document(points())) == points()
    assert from_document(None) == ()


@pytest.mark.parametrize("document", [{}, {"points": 3}, {"points": [{"task": "verify"}]}, {"points": [{"x": 1}]}])
def test_what_nobody_wrote_is_a_named_error(document: dict[str, object]) -> None:
    with pytest.raises(GalleryDamagedError, match="calibrate --clear"):
        from_document(document)


def test_a_point_says_which_score_of_a_subject_it_was_measured_with() -> None:
    kinds = [[p.subject_score for p in calibrate(made_up(), replace(WANTED, fuse=how)).points] for how in (None, fuse)]
    assert kinds == [["best", "best"], ["best", "fused"]]
    fused = calibrate(made_up(), replace(WANTED, fuse=fuse)).points
    assert from_document(to_document(fused))[1].subject_score == "fused"


def test_a_new_point_replaces_those_of_its_task() -> None:
    verify, identify = points()
    newer = replace(verify, threshold=0.9)
    assert merged([verify, identify], [newer]) == (identify, newer)
    assert merged([], [identify]) == (identify,)
