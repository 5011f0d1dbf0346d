"""pipeline.decide: which operating point, which decision, and that the reason has the numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decide import choose_identify_point, choose_verify_point, decide_identify, decide_verify
from pipeline.errors import NoOperatingPointError
from pipeline.types import Candidates, OperatingPoint
from tests.fakes import MODEL_ID, points

VERIFY, IDENTIFY = points(0.5)


def candidates(*scored: tuple[str, float]) -> Candidates:
    return Candidates(tuple(name for name, _ in scored), np.array([score for _, score in scored], np.float32))


def verify(fmr: float, threshold: float, model_id: str = MODEL_ID) -> OperatingPoint:
    return replace(VERIFY, fmr=fmr, threshold=threshold, model_id=model_id)


def identify(size: int, fpir: float, threshold: float, model_id: str = MODEL_ID) -> OperatingPoint:
    return replace(IDENTIFY, gallery_size=size, fmr=fpir, threshold=threshold, model_id=model_id)


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
    assert "enrolled" in decision.reason


def test_a_match_names_the_best_subject_and_the_runner_up() -> None:
    decision = decide_identify(candidates(("Ada", 0.8), ("Bob", 0.3)), IDENTIFY, 2)
    assert (decision.kind, decision.subject) == ("match", "Ada")
    assert decision.score == pytest.approx(0.8)
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
        (0.75, 0.70, "ambiguous"),  # clears by 0.20, trails by 0.05
        (0.75, 0.50, "match"),  # clears by nothing
        (0.75, 0.49, "match"),
        (0.75, 0.625, "match"),  # clears by as much as it trails
        (0.75, 0.65625, "ambiguous"),
        (0.50, 0.50, "match"),  # both at the threshold, neither above
        (0.625, 0.625, "ambiguous"),
        (0.49, 0.49, "unknown"),
    ],
)
def test_two_who_both_fit_are_ambiguous(first: float, second: float, kind: str) -> None:
    decision = decide_identify(candidates(("Ada", first), ("Bob", second)), IDENTIFY, 2)
    assert decision.kind == kind
    assert decision.subject == ("Ada" if kind == "match" else None)
    if kind == "ambiguous":
        assert "Ada" in decision.reason
        assert "Bob" in decision.reason


def test_a_gallery_beyond_what_was_measured_is_said() -> None:
    for scored in (("Ada", 0.8), ("Ada", 0.1)):
        assert "larger (11)" in decide_identify(candidates(scored), IDENTIFY, 11).reason
        assert "larger" not in decide_identify(candidates(scored), IDENTIFY, 10).reason
