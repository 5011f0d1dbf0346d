"""Following faces: exact on made scenes, and rules that hold for every scene."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tracks import SceneCuts, Shot, Track, Tracker, TrackSettings, stitched
from pipeline.types import F32
from tests.fakes import vector_of

SETTINGS = TrackSettings(same=0.5, other=0.25, max_gap_s=1.0, shots=3)
SIDE = 50.0


def shot(time_s: float, x: float, who: object, *, noise: float = 0.0, quality: float = 1.0) -> Shot[object]:
    """A face of somebody at (x, 0), whose template is turned away: cosine 1 / sqrt(1 + noise²) to the true one."""
    true, aside = vector_of(who), vector_of((who, time_s))
    aside = aside - (aside @ true) * true
    vector = true + noise * aside / np.linalg.norm(aside)
    box = np.array([x, 0, x + SIDE, SIDE], np.float32)
    return Shot(time_s, box, (vector / np.linalg.norm(vector)).astype(np.float32), quality, who)


def follow(
    frames: list[list[Shot[object]]],
    settings: TrackSettings = SETTINGS,
    cuts: tuple[int, ...] = (),
    step_s: float = 0.2,
) -> list[Track[object]]:
    """All tracks of frames `step_s` apart, by their number."""
    tracker = Tracker[object](settings)
    done = []
    for number, shots in enumerate(frames):
        tracker.update(number * step_s, shots, cut=number in cuts)
        done += tracker.ended(number * step_s)
    return sorted([*done, *tracker.ended()], key=lambda track: track.number)


def test_one_face_that_moves_is_one_track() -> None:
    (track,) = follow([[shot(0.2 * n, 20.0 * n, "a", noise=0.3)] for n in range(10)])
    assert (track.seen, track.start_s, round(track.end_s, 6)) == (10, 0.0, 1.8)


def test_two_people_who_cross_keep_their_tracks() -> None:
    frames = [
        [shot(0.2 * n, 30.0 * n, "a", noise=0.4), shot(0.2 * n, 300 - 30.0 * n, "b", noise=0.4)] for n in range(11)
    ]
    a, b = follow(frames)
    assert {one.payload for one in a.shots} == {"a"}
    assert {one.payload for one in b.shots} == {"b"}
    assert (a.seen, b.seen) == (11, 11)


def test_somebody_who_was_hidden_is_taken_up_again_elsewhere() -> None:
    frames = [[shot(0.2 * n, 0, "a", noise=0.2)] if n < 3 or n > 5 else [] for n in range(9)]
    for n in range(6, 9):
        frames[n] = [shot(0.2 * n, 500, "a", noise=0.2)]
    (track,) = follow(frames)
    assert track.seen == 6


def test_out_of_sight_for_too_long_begins_anew() -> None:
    frames = [[shot(0.2 * n, 0, "a")] if n < 2 or n > 9 else [] for n in range(12)]
    first, second = follow(frames)
    assert (first.seen, second.seen) == (2, 2)


def test_a_gap_of_exactly_the_limit_goes_on() -> None:
    settings = TrackSettings(same=0.5, other=0.25, max_gap_s=0.5)
    frames = [[shot(0, 0, "a")], [], [shot(0.5, 0, "a")]]
    assert len(follow(frames, settings, step_s=0.25)) == 1


def test_another_person_in_the_same_place_is_another_track() -> None:
    frames = [[shot(0.2 * n, 0, "a" if n < 3 else "b")] for n in range(6)]
    assert [track.seen for track in follow(frames)] == [3, 3]


def test_a_blurred_shot_in_place_goes_on_and_behind_a_cut_does_not() -> None:
    frames = [[shot(0.2 * n, 0, "a", noise=0 if n < 3 else 2.2)] for n in range(4)]
    blurred = float(frames[3][0].vector @ frames[2][0].vector)
    assert SETTINGS.other < blurred < SETTINGS.same
    assert len(follow(frames)) == 1
    assert len(follow(frames, cuts=(3,))) == 2


def test_the_same_person_goes_on_behind_a_cut() -> None:
    frames = [[shot(0.2 * n, 0 if n < 3 else 400, "a", noise=0.3)] for n in range(6)]
    assert len(follow(frames, cuts=(3,))) == 1


def test_the_best_shots_are_kept_best_first() -> None:
    quality = [0.1, 0.9, 0.3, 0.5, 0.2]
    (track,) = follow([[shot(0.2 * n, 0, "a", quality=q)] for n, q in enumerate(quality)])
    assert [one.quality for one in track.shots] == [0.9, 0.5, 0.3]
    assert track.best.quality == 0.9


def test_a_track_can_be_followed_while_it_goes_on() -> None:
    tracker = Tracker[object](SETTINGS)
    (first,) = tracker.update(0.0, [shot(0, 0, "a")])
    assert tracker.live == (first,)
    assert tracker.ended(1.0) == []
    assert tracker.ended(1.001) == [first]
    assert tracker.live == ()


def test_stitching_joins_what_fused_templates_say_is_one_person() -> None:
    frames = [[shot(0.2 * n, 0, "a", noise=0.1)] for n in range(3)]
    frames += [[shot(0.2 * n, 600, "a", noise=0.1)] for n in range(3, 6)]
    strict = TrackSettings(same=1.0, other=0.25, max_gap_s=1.0)
    parts = follow(frames, strict)
    assert len(parts) == 2
    (whole,) = stitched(parts, SETTINGS, template)
    assert (whole.seen, whole.start_s, round(whole.end_s, 6)) == (6, 0.0, 1.0)
    assert len(whole.shots) == SETTINGS.shots


def test_stitching_leaves_apart_who_is_seen_at_the_same_time_and_who_is_another() -> None:
    frames = [[shot(0.2 * n, 0, "a"), shot(0.2 * n, 300, "a")] for n in range(3)]
    frames += [[shot(0.2 * n, 900, "b")] for n in range(3, 5)]
    tracks = follow(frames)
    assert len(stitched(tracks, SETTINGS, template)) == len(tracks) == 3


def template(track: Track[object]) -> F32:
    """Of a track: that of its best shot."""
    return track.best.vector


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), max_size=4, unique_by=lambda face: face[0]),
        max_size=15,
    ),
    st.sets(st.integers(0, 14)),
)
def test_every_face_is_in_one_track_and_a_track_has_one_face_a_frame(
    scene: list[list[tuple[int, int]]], cuts: set[int]
) -> None:
    settings = TrackSettings(same=0.5, other=0.25, max_gap_s=1.0, shots=100)
    frames = [[shot(0.2 * n, x, who, noise=0.5) for who, x in faces] for n, faces in enumerate(scene)]
    tracks = follow(frames, settings, tuple(cuts))
    kept = [one for track in tracks for one in track.shots]
    assert sorted(map(id, kept)) == sorted(id(one) for shots in frames for one in shots)
    for track in tracks:
        times = sorted(one.time_s for one in track.shots)
        assert len(set(times)) == len(times) == track.seen
        assert (track.start_s, track.end_s) == (times[0], times[-1])
        assert all(b - a <= settings.max_gap_s + 1e-9 for a, b in pairwise(times))
    assert [track.number for track in tracks] == list(range(1, len(tracks) + 1))


@given(st.permutations(range(4)))
def test_the_order_of_the_faces_in_a_frame_changes_nothing(order: list[int]) -> None:
    people = [shot(0.2, 100.0 * n, n, noise=0.5) for n in range(4)]
    tracker = Tracker[object](SETTINGS)
    before = tracker.update(0.0, [shot(0.0, 100.0 * n + 10, n) for n in range(4)])
    after = tracker.update(0.2, [people[n] for n in order])
    assert after == [before[n] for n in order]


@pytest.mark.parametrize(
    "wrong",
    [{"same": 0.1, "other": 0.2}, {"same": 2.0, "other": 0.2}, {"min_iou": 0.0}, {"max_gap_s": -1.0}, {"shots": 0}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        TrackSettings(**{"same": 0.5, "other": 0.2, **wrong})  # type: ignore[arg-type]


def test_cuts_are_seen_and_motion_is_none() -> None:
    rng = np.random.default_rng(3)
    street = rng.integers(0, 120, (90, 160, 3), np.uint8)
    room = (255 - street).astype(np.uint8)
    cuts = SceneCuts()
    assert [cuts.is_cut(one) for one in (street, np.roll(street, 20, axis=1), room, room, street)] == [
        *(False, False, True, False, True)
    ]
