"""pipeline.decide: which operating point, which decision, and that the reason has the numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decide import choose_identify_point, choose_verify_point, decide_identify, decide_verify
from pipeline.errors import NoOperatingPointError
from pipeline.types import LikelihoodRatio, OperatingPoint
from tests.fakes import MODEL_ID, candidates, points

VERIFY, IDENTIFY = points(0.5)


def verify(fmr: float, threshold: float, model_id: str = MODEL_ID) -> OperatingPoint:
    return replace(VERIFY, fmr=fmr, fmr_upper=1.0, threshold=threshold, model_id=model_id)


def identify(size: int, fpir: float, threshold: float, model_id: str = MODEL_ID) -> OperatingPoint:
    return replace(IDENTIFY, gallery_size=size, fmr=fpir, fmr_upper=1.0, threshold=threshold, model_id=model_id)


# --- which point -----------------------------------------------------------------------------------------------------


def test_verify_takes_the_largest_rate_allowed() -> None:
    offered = [verify(1e-2, 0.3), verify(9e-4, 0.4), verify(1e-4, 0.5), identify(10, 1e-3, 0.6)]
    assert choose_verify_point(offered, MODEL_ID, 1e-3).threshold == 0.4
    assert choose_verify_point(offered, MODEL_ID, 9e-4).threshold == 0.4, "at most: equal is allowed"
    assert choose_verify_point(offered, MODEL_ID, 5e-4).threshold == 0.5
    assert choose_verify_point(offered[::-1], MODEL_ID, 0.5).threshold == 0.3
    assert choose_verify_point([verify(1e-3, 0.5), verify(1e-3, 0.4)], MODEL_ID, 1e-2).threshold == 0.4


@pytest.mark.parametrize(
    "offered",
    [[], [verify(1e-2, 0.3)], [verify(1e-4, 0.3, "other.model@1")], [identify(10, 1e-4, 0.3)]],
    ids=["none", "too lax", "another model", "1:N only"],
)
def test_without_a_fitting_verify_point_there_is_no_decision(offered: list[OperatingPoint]) -> None:
    with pytest.raises(NoOperatingPointError, match=MODEL_ID) as caught:
        choose_verify_point(offered, MODEL_ID, 1e-3)
    assert "0.001" in caught.value.message


@pytest.mark.parametrize(
    ("size", "threshold"), [(0, 0.1), (10, 0.1), (11, 0.2), (100, 0.2), (101, 0.3), (500, 0.3), (501, 0.3), (9999, 0.3)]
)
def test_identify_takes_the_smallest_gallery_that_is_large_enough(size: int, threshold: float) -> None:
    offered = [identify(n, 1e-2, t) for n, t in ((100, 0.2), (500, 0.3), (10, 0.1))]
    offered += [identify(10, 0.1, 0.05), identify(10, 1e-3, 0.15), verify(1e-2, 0.9)]
    assert choose_identify_point(offered, MODEL_ID, 1e-2, size).threshold == threshold


def test_a_lax_point_of_a_fitting_gallery_is_not_used() -> None:
    offered = [identify(10, 0.5, 0.1), identify(100, 0.01, 0.4)]
    assert choose_identify_point(offered, MODEL_ID, 0.01, 5).threshold == 0.4


def test_without_a_fitting_identify_point_there_is_no_decision() -> None:
    for offered in ([], [VERIFY], [identify(10, 0.1, 0.3)], [identify(10, 0.001, 0.3, "other.model@1")]):
        with pytest.raises(NoOperatingPointError, match=MODEL_ID):
            choose_identify_point(offered, MODEL_ID, 0.01, 5)


# --- 1:1 -------------------------------------------------------------------------------------------------------------


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_match_iff_the_score_reaches_the_threshold(score: float, threshold: float) -> None:
    decision = decide_verify(score, replace(VERIFY, threshold=threshold))
    assert decision.kind == ("match" if score >= threshold else "non_match")
    assert (decision.score, decision.threshold, decision.model_id) == (score, threshold, MODEL_ID)


def test_the_threshold_itself_is_a_match() -> None:
    assert decide_verify(0.5, VERIFY).kind == "match"
    assert decide_verify(float(np.nextafter(0.5, 0)), VERIFY).kind == "non_match"
    assert decide_identify(candidates(("Ada", 0.5)), IDENTIFY, 3).kind == "match"
    assert decide_identify(candidates(("Ada", float(np.nextafter(np.float32(0.5), 0)))), IDENTIFY, 3).kind == "unknown"


def test_the_reason_says_the_numbers() -> None:
    point = replace(VERIFY, fmr=0.00123, fmr_upper=0.00456, fnmr=0.0789)
    for decision, relation in ((decide_verify(0.6, point), "reaches"), (decide_verify(0.4, point), "below")):
        for word in (f"{decision.score:.3f}", "0.500", "0.123 %", "0.456 %", "7.89 %", relation):
            assert word in decision.reason


# --- 1:N -------------------------------------------------------------------------------------------------------------


def test_an_empty_gallery_knows_nobody() -> None:
    decision = decide_identify(candidates(), IDENTIFY, 0)
    assert (decision.kind, decision.subject, decision.score) == ("unknown", None, None)
    assert decision.reason == "Nobody is enrolled in this gallery."


def test_an_unknown_s_score_is_said_to_be_whose() -> None:
    decision = decide_identify(candidates(("Ada", 0.4), ("Bob", 0.3)), IDENTIFY, 2)
    assert (decision.subject, decision.best) == (None, ("Ada", decision.score))


def test_people_who_cannot_be_found_are_not_said_to_be_missing() -> None:
    reason = decide_identify(candidates(), IDENTIFY, 5).reason
    assert reason.startswith(f"Nobody enrolled in this gallery (5) has a template of the model in use, {MODEL_ID}:")


def test_a_match_names_the_best_subject_and_the_runner_up() -> None:
    decision = decide_identify(candidates(("Ada", 0.8), ("Bob", 0.3)), IDENTIFY, 2)
    assert (decision.kind, decision.subject) == ("match", "Ada")
    assert decision.score == pytest.approx(0.8)
    assert decision.best == ("Ada", decision.score)
    assert decision.runner_up is not None
    assert decision.runner_up[0] == "Bob"
    assert decision.runner_up[1] == pytest.approx(0.3)
    assert "0.800" in decision.reason
    assert decide_identify(candidates(("Ada", 0.8)), IDENTIFY, 1).runner_up is None


def test_unknown_names_nobody_but_tells_who_was_nearest() -> None:
    decision = decide_identify(candidates(("Ada", 0.4), ("Bob", 0.3)), IDENTIFY, 2)
    assert (decision.kind, decision.subject) == ("unknown", None)
    assert decision.runner_up is not None


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (0.75, 0.70, "ambiguous"),
        (0.75, 0.625, "ambiguous"),  # as far apart as the margin
        (0.75, 0.609375, "match"),
        (0.75, 0.49, "match"),  # the second does not reach the threshold
        (0.5625, 0.49, "match"),
        (0.50, 0.50, "ambiguous"),
        (0.49, 0.49, "unknown"),
    ],
)
def test_two_within_the_margin_are_ambiguous(first: float, second: float, kind: str) -> None:
    decision = decide_identify(candidates(("Ada", first), ("Bob", second)), replace(IDENTIFY, margin=0.125), 2)
    assert decision.kind == kind
    assert decision.subject == ("Ada" if kind == "match" else None)
    if kind == "ambiguous":
        assert decision.runner_up is not None
        for word in ("Ada", "Bob", f"{first:.3f}", f"{second:.3f}", "0.125"):
            assert word in decision.reason


def test_without_a_margin_only_equals_are_ambiguous() -> None:
    assert decide_identify(candidates(("Ada", 0.75), ("Bob", 0.74)), IDENTIFY, 2).kind == "match"
    assert decide_identify(candidates(("Ada", 0.75), ("Bob", 0.75)), IDENTIFY, 2).kind == "ambiguous"


def test_a_gallery_beyond_what_was_measured_is_said() -> None:
    for scored in (("Ada", 0.8), ("Ada", 0.1)):
        assert "larger (11)" in decide_identify(candidates(scored), IDENTIFY, 11).reason
        assert "larger" not in decide_identify(candidates(scored), IDENTIFY, 10).reason


# --- quality, probability, origin ------------------------------------------------------------------------------------


@given(st.floats(-1, 1), st.floats(0, 20) | st.none(), st.floats(0, 20) | st.none())
def test_a_poor_image_is_a_missing_match_below_the_level(score: float, norm: float | None, level: float | None) -> None:
    poor = norm is not None and level is not None and norm < level
    verified = decide_verify(score, replace(VERIFY, min_norm=level), norm=norm)
    assert verified.kind == ("match" if score >= 0.5 else "poor_image" if poor else "non_match")
    scored = candidates(("Ada", score))
    identified = decide_identify(scored, replace(IDENTIFY, min_norm=level), 3, norm=norm)
    reached = float(scored.scores[0]) >= 0.5
    assert identified.kind == ("match" if reached else "poor_image" if poor else "unknown")
    if verified.kind == "poor_image":
        assert norm is not None
        for word in (f"{norm:.1f}", f"{level:.1f}", f"{score:.3f}"):
            assert word in verified.reason


def test_the_probability_moves_with_the_prior_and_is_never_certain() -> None:
    point = replace(VERIFY, likelihood=LikelihoodRatio(30.0, -10.0, -4.0, 9.0))
    even = decide_verify(0.6, point)
    assert even.log_ratio == pytest.approx(8.0)
    assert even.probability == pytest.approx(1 / (1 + np.exp(-8.0)))
    assert "prior of 50 %" in even.reason
    assert "99.97 %" in even.reason
    doubted = decide_verify(0.6, point, prior=1e-4)
    assert doubted.probability == pytest.approx(0.2297, abs=1e-3)
    assert decide_verify(1.0, point).log_ratio == 9.0, "never beyond what the data support"
    assert "100" not in decide_verify(1.0, point).reason
    assert "of one person is" not in decide_verify(0.6, VERIFY).reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "the model card"),
        ({"basis": "lfw-dev"}, "the model card, lfw-dev"),
        ({"basis": "lfw-dev", "source": "chosen"}, "the model card, lfw-dev, chosen for this gallery"),
        ({"source": "calibration", "basis": "2026-11-23 on 80 people"}, "your calibration of 2026-11-23 on 80 people"),
    ],
)
def test_every_reason_says_where_the_threshold_comes_from(change: dict[str, Any], words: str) -> None:
    verify_point, identify_point = replace(VERIFY, **change), replace(IDENTIFY, margin=0.1, **change)
    reasons = [decide_verify(score, verify_point) for score in (0.4, 0.6)]
    searched = [[("Ada", 0.4)], [("Ada", 0.6)], [("Ada", 0.6), ("Bob", 0.59)]]
    reasons += [decide_identify(candidates(*scored), identify_point, 3) for scored in searched]
    for decision in reasons:
        assert words in decision.reason
        assert decision.origin == words
        assert "\n" not in decision.reason


# --- the user's own points -------------------------------------------------------------------------------------------


def own(point: OperatingPoint, target: float, **change: Any) -> OperatingPoint:
    return replace(point, source="calibration", target=target, **change)


def test_a_calibration_comes_before_the_card() -> None:
    card = [verify(1e-3, 0.3), identify(10, 1e-2, 0.35)]
    mine = [own(VERIFY, 1e-4, threshold=0.6), own(IDENTIFY, 0.1, threshold=0.2, gallery_size=50)]
    assert choose_verify_point([*mine, *card], MODEL_ID, 1e-3).threshold == 0.6
    assert choose_identify_point([*card, *mine], MODEL_ID, 1e-2, 5).threshold == 0.2, "asked for, though it is laxer"
    other = [replace(point, model_id="other.model@1") for point in mine]
    assert choose_verify_point([*other, *card], MODEL_ID, 1e-3).threshold == 0.3


def test_a_point_is_chosen_by_the_rate_it_was_made_for() -> None:
    honest = replace(VERIFY, target=1e-3, fmr=1.3e-3, threshold=0.4)
    assert choose_verify_point([honest], MODEL_ID, 1e-3).threshold == 0.4
    several = [own(VERIFY, rate, threshold=t) for rate, t in ((1e-2, 0.3), (1e-3, 0.4), (1e-4, 0.5))]
    assert choose_verify_point(several, MODEL_ID, 2e-3).threshold == 0.4
    assert choose_verify_point(several, MODEL_ID, 1e-6).threshold == 0.5, "the strictest there is"
