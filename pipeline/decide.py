"""From scores to decisions, each with its reason. Thresholds come from operating points, never from code."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import NoOperatingPointError
from pipeline.types import Candidates, Decision, OperatingPoint


def choose_verify_point(points: Sequence[OperatingPoint], model_id: str, max_fmr: float) -> OperatingPoint:
    """The operating point for 1:1: the largest measured FMR that is at most `max_fmr`.

    Args:
        points: What the model's card or a calibration offers.
        model_id: The model whose scores will be judged.
        max_fmr: The false match rate that is wanted at most, in [0, 1].

    Raises:
        NoOperatingPointError: None was measured for this model, or none is that strict.
    """
    usable = [p for p in points if p.task == "verify" and p.model_id == model_id and p.fmr <= max_fmr]
    if not usable:
        raise NoOperatingPointError(
            f"no operating point of {model_id} has a false match rate of at most {max_fmr:g}: "
            "choose another verify_fmr in the settings, or a model whose card states one"
        )
    return max(usable, key=lambda p: (p.fmr, -p.threshold))


def choose_identify_point(
    points: Sequence[OperatingPoint], model_id: str, max_fpir: float, gallery_size: int
) -> OperatingPoint:
    """The operating point for 1:N: the smallest measured gallery that is not smaller than this one.

    A larger gallery offers more chances of a false match, so a 1:1 threshold, or that of a smaller gallery, does not
    carry over. Beyond the largest measured gallery the largest is used, and the reason of each decision says so.

    Raises:
        NoOperatingPointError: None was measured for this model, or none is that strict.
    """
    usable = [p for p in points if p.task == "identify" and p.model_id == model_id and p.fmr <= max_fpir]
    if not usable:
        raise NoOperatingPointError(
            f"no operating point of {model_id} has a false positive identification rate of at most {max_fpir:g}: "
            "choose another identify_fpir in the settings, or a model whose card states one"
        )
    large_enough = [p for p in usable if (p.gallery_size or 0) >= gallery_size]
    pool = large_enough or usable
    size = (min if large_enough else max)(p.gallery_size or 0 for p in pool)
    return max((p for p in pool if p.gallery_size == size), key=lambda p: p.fmr)


def decide_verify(score: float, point: OperatingPoint) -> Decision:
    """1:1: a match iff score >= threshold.

    Args:
        score: Cosine similarity of the two templates, in [-1, 1].
        point: A `verify` operating point.
    """
    match = score >= point.threshold
    relation = "reaches" if match else "stays below"
    reason = (
        f"The score {score:.3f} {relation} the threshold {point.threshold:.3f}, at which "
        f"{_rate(point.fmr)} of pairs of different people were taken for one person (upper bound "
        f"{_rate(point.fmr_upper)}) and {_rate(point.fnmr)} of pairs of one person were missed."
    )
    return Decision("match" if match else "non_match", score, point.threshold, reason, point.model_id)


def decide_identify(candidates: Candidates, point: OperatingPoint, gallery_size: int) -> Decision:
    """1:N, open-set: names the best subject, or nobody.

    Two subjects are ambiguous when both reach the threshold and the second clears it by more than it trails the first.

    Args:
        candidates: The most similar subjects, best first.
        point: An `identify` operating point.
        gallery_size: Subjects enrolled now.
    """
    if not len(candidates):
        return Decision("unknown", None, point.threshold, "Nobody is enrolled in this gallery.", point.model_id)
    best, score = candidates.subjects[0], float(candidates.scores[0])
    runner_up = (candidates.subjects[1], float(candidates.scores[1])) if len(candidates) > 1 else None
    rate = f"measured with a gallery of {point.gallery_size}: {_rate(point.fmr)} of strangers were given a name"
    if point.gallery_size is not None and gallery_size > point.gallery_size:
        rate += f"; this gallery is larger ({gallery_size}), so more are to be expected"
    if score < point.threshold:
        reason = f"The best score, {score:.3f} ({best}), stays below the threshold {point.threshold:.3f} ({rate})."
        return Decision("unknown", score, point.threshold, reason, point.model_id, None, runner_up)
    if runner_up and runner_up[1] >= point.threshold and score - runner_up[1] < runner_up[1] - point.threshold:
        reason = (
            f"Two subjects reach the threshold {point.threshold:.3f} with scores close together: "
            f"{best} ({score:.3f}) and {runner_up[0]} ({runner_up[1]:.3f})."
        )
        return Decision("ambiguous", score, point.threshold, reason, point.model_id, None, runner_up)
    reason = f"The score {score:.3f} reaches the threshold {point.threshold:.3f} ({rate})."
    return Decision("match", score, point.threshold, reason, point.model_id, best, runner_up)


def _rate(value: float) -> str:
    return f"{value * 100:.3g} %"
