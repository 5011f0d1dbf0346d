"""What challenges let pass: rendered prints, which must fail, and the relief of turns in real videos.

    scripts/bench challenge [--prints FOLDER [--people N]] [--video FILE ...]

Photos of FOLDER/PERSON/ are rendered as prints that turn to both sides, and judged as challenges of two steps, left and
right in both orders. Of them, and of every turn and blink in the videos, the measures are printed that the rules of
`ChallengePolicy` look at: without those rules, so that what the rules would have let pass is seen too.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.photos import photos_in
from pipeline.build import build_recognizer, operating_points
from pipeline.challenge import STEPS, ChallengePolicy, Follower, Look, Outcome, Step
from pipeline.challenge.lids import Lids
from pipeline.config import Settings
from pipeline.decide import choose_verify_point
from pipeline.errors import ConfigError, PhotoError
from pipeline.images import from_array, open_photo
from pipeline.quality.pose import head_pose_deg
from pipeline.recognizer import Recognizer
from pipeline.types import Detections, Image
from pipeline.video import VideoLimits, open_video
from scripts.benches._prints import RATE, WAYS, turning

ORDERS: tuple[tuple[Step, Step], ...] = (("left", "right"), ("right", "left"))
LEAST_DEG = 15.0
"""A turn that looks smaller than this to the landmarks is far from being taken for one."""
STRAIGHT_DEG = 12.0
_LARGER, _EVERY_S, _AGAIN_S = 1.6, 0.08, 1.0
_LOOSE = replace(ChallengePolicy(), turn_deg=12.0, tilt_deg=10.0, relief=0.0, step_s=4.0)


def run(arguments: list[str]) -> dict[str, Any]:
    """The figures. Raises: ConfigError: there is nothing to look at; PhotoError: a video cannot be used."""
    parser = argparse.ArgumentParser("scripts/bench challenge", description=__doc__)
    parser.add_argument("--prints", type=Path)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--video", type=Path, nargs="*", default=[])
    options = parser.parse_args(arguments)
    settings = Settings.load(None)
    recognizer = build_recognizer(settings)
    same = choose_verify_point(operating_points(settings), recognizer.model_id, settings.verify_fmr).threshold
    figures: dict[str, Any] = {"same_from": round(same, 4), "relief_from": ChallengePolicy().relief}
    if options.prints:
        figures["prints"] = prints(recognizer, _drawn(options.prints), same, options.people)
    if options.video:
        figures["videos"] = {file.name: real(list(_film(recognizer, file)), same) for file in options.video}
    return figures


def _drawn(folder: Path) -> list[Path]:
    """The first photo of each person, in an order drawn by chance, the same each time."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder: name one that holds a folder of photos for each person")
    first = [found[0] for place in sorted(folder.iterdir()) if place.is_dir() and (found := photos_in(place))]
    return [first[number] for number in np.random.default_rng(1).permutation(len(first))]


def prints(recognizer: Recognizer, files: Iterable[Path], same: float, people: int) -> dict[str, Any]:
    """Each photo in every one of WAYS: how whole challenges end, and the relief of the turns that were seen.

    Photos that do not look straight ahead are passed over: with those no challenge begins.
    """
    ended: dict[str, Counter[str]] = {way: Counter() for way in WAYS}
    without: Counter[str] = Counter()
    reliefs: dict[str, list[float]] = {way: [] for way in WAYS}
    used = 0
    for number, file in enumerate(files):
        picture = cv2.resize(open_photo(file).pixels(), None, fx=_LARGER, fy=_LARGER, interpolation=cv2.INTER_CUBIC)
        found = _look(recognizer, picture, 0.0).detections
        if not len(found) or not abs(float(head_pose_deg(found.landmarks[:1])[0, 0])) <= STRAIGHT_DEG:
            continue
        if used == people:
            break
        used += 1
        for place, (name, way) in enumerate(WAYS.items()):
            frames = turning(picture, found.boxes[0], way, np.random.default_rng([number, place]))
            looks = [_look(recognizer, frame, at / RATE) for at, frame in enumerate(frames)]
            for order in ORDERS:
                ended[name][judged(looks, order, same).failure or "followed"] += 1
                loose = judged(looks, order, same, replace(ChallengePolicy(), relief=0.0))
                without[name] += loose.followed
                small = judged(looks, order, same, _LOOSE)
                reliefs[name] += [step.relief for step in small.steps if step.relief and step.degrees >= LEAST_DEG]
    return {
        "people": used,
        "challenges": sum(count.total() for count in ended.values()),
        "passed": sum(count["followed"] for count in ended.values()),
        "passed_without_the_rule_of_relief": dict(without),
        "ended": {name: dict(count) for name, count in ended.items()},
        "relief_of_turns_that_look_15_degrees": {name: _spread(values) for name, values in reliefs.items()},
    }


def real(looks: Sequence[Look], same: float) -> dict[str, Any]:
    """Every movement in a video that could have been a step, wherever it begins; and the blinks."""
    found = {step: movements(looks, step, same) for step in STEPS if step != "blink"}
    turns = sorted({(step, *one) for step, ones in found.items() for one in ones})
    seen = [look for look in looks if look.eyes is not None and len(look.eyes)]
    how = ChallengePolicy()
    lids = Lids(how.lids_fall, how.lids_shut_s, how.lids_usual_s)
    blinks = [round(look.time_s, 1) for look in seen if lids.blinked(look.time_s, float(look.eyes[0]))]  # type: ignore[index]
    return {
        "seconds": round(looks[-1].time_s, 1) if looks else 0.0,
        "turns": [
            {"step": step, "at_s": at, "degrees": degrees, "relief": relief, "least_score": score}
            for step, at, degrees, relief, score in turns
        ],
        "blinks_at_s": blinks if seen else None,
    }


def movements(looks: Sequence[Look], step: Step, same: float) -> list[tuple[float, float, float, float]]:
    """When a step was done, how far, its relief, and the lowest score; without the rule of relief."""
    found, begin = [], 0
    while begin < len(looks):
        outcome, end = _from(looks, begin, step, same)
        if outcome.followed:
            (done,), at = outcome.steps, looks[end].time_s
            found.append((round(at, 1), round(done.degrees or 0, 1), round(done.relief or 0, 3), outcome.least_score))
            begin = end
        else:
            until = looks[begin].time_s + _AGAIN_S
            begin = next((at for at in range(begin, len(looks)) if looks[at].time_s >= until), len(looks))
    return [(at, degrees, relief, round(score or 0.0, 3)) for at, degrees, relief, score in found]


def _from(looks: Sequence[Look], begin: int, step: Step, same: float) -> tuple[Outcome, int]:
    follower = Follower((step,), same, _LOOSE)
    for place in range(begin, len(looks)):
        if (outcome := follower.look(looks[place])) is not None:
            return outcome, place
    return follower.end(looks[-1].time_s), len(looks) - 1


def judged(looks: Sequence[Look], steps: Sequence[Step], same: float, policy: ChallengePolicy | None = None) -> Outcome:
    """How a challenge ends."""
    follower = Follower(steps, same, policy or ChallengePolicy())
    for look in looks:
        if (outcome := follower.look(look)) is not None:
            return outcome
    return follower.end(looks[-1].time_s)


def _film(recognizer: Recognizer, file: Path) -> Iterable[Look]:
    with open_video(file, VideoLimits()) as video:
        for frame in video.frames(round(_EVERY_S * 1000)):
            yield _look(recognizer, frame.photo.pixels(), frame.time_s)


def _look(recognizer: Recognizer, rgb: Image, time_s: float) -> Look:
    """What a follower is fed of a frame."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    try:
        faces = recognizer.analyse(from_array(np.ascontiguousarray(rgb), "a frame"))
    except PhotoError:  # no face in it can be aligned
        return Look(time_s, grey, Detections.empty(grey.shape), np.zeros((0, 1), np.float32))
    return Look(time_s, grey, faces.detections, faces.templates.vectors, faces.eyes)


def _spread(values: Sequence[float]) -> dict[str, Any]:
    found = sorted(values)
    if not found:
        return {"turns": 0}
    return {"turns": len(found), "least": round(found[0], 3), "most": round(found[-1], 3)}
