"""1:N evaluation with fakes and with made-up templates."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from app.evaluation.identification import (
    evaluate_identification,
    search_found,
    subject_scores,
    write_searches,
)
from app.evaluation.plans import Plan, plan_of_folders, plan_of_one_folder
from app.services import Services
from pipeline.config import Settings
from pipeline.errors import ConfigError, NoFaceError
from pipeline.gallery.fusion import fuse
from tests.fakes import BLUE, GREEN, MODEL_ID, RED, YELLOW, fake_recognizer, write_bars


def unit(*values: float) -> np.ndarray:
    row = np.array(values, np.float32)
    return (row / np.linalg.norm(row)).astype(np.float32)


def test_two_folders(tmp_path: Path) -> None:
    """Ada and Bob are enrolled; Cy's photo shows no face, so Cy is not, though his probe is mated. Dee is unknown."""
    for name, colour in (("Ada", RED), ("Bob", GREEN)):
        write_bars(tmp_path / "gallery" / name / "1.png", colour)
        write_bars(tmp_path / "probes" / name / "2.png", colour, note=1)
    write_bars(tmp_path / "gallery/Ada/3.png", BLUE)
    write_bars(tmp_path / "gallery/Cy/1.png")
    write_bars(tmp_path / "probes/Cy/2.png", YELLOW)
    write_bars(tmp_path / "probes/Ada/4.png")
    write_bars(tmp_path / "probes/Dee/1.png", YELLOW, note=1)
    (tmp_path / "probes/Dee/2.png").write_bytes(b"no photo")
    services = Services(Settings(workers=2))
    services._recognizer = fake_recognizer()
    report = evaluate_identification(services, plan_of_folders(tmp_path / "gallery", tmp_path / "probes"))
    document = report.as_dict()
    assert (document["subjects"], document["samples"]) == (3, 4)
    assert (document["fte"], document["fte_photos"]) == (1, 1)
    assert (document["probes"], document["mated"], document["non_mated"]) == (6, 4, 2)
    assert document["fta"] == 2
    assert document["failures"] == {"no_face": 1, "photo_format": 1}
    assert document["rank_1"] == 0.5, "Ada and Bob; Ada's second photo and Cy are misses"
    assert document["cmc"] == [0.5, 0.5, 0.5], "a failure is never found, however long the list"
    assert document["fnir_at_fpir"] == [], "two non-mated probes say nothing of an FPIR of 10 %"
    assert document["model_id"] == MODEL_ID
    json.dumps(document, allow_nan=False)

    write_searches(tmp_path / "searches.csv", report)
    with (tmp_path / "searches.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["probe"]: row for row in csv.DictReader(stream)}
    assert rows["probes/Ada/2.png"]["top_subject"] == "Ada"
    assert rows["probes/Ada/2.png"]["mate_rank"] == "1"
    assert rows["probes/Cy/2.png"]["mate_score"] == ""
    assert rows["probes/Dee/2.png"]["failure"] == "photo_format"
    assert rows["probes/Dee/1.png"]["mate_rank"] == ""


def test_one_folder_is_split(tmp_path: Path) -> None:
    for name, count in (("Ada", 4), ("Bob", 2), ("Cy", 1)):
        for i in range(count):
            write_bars(tmp_path / name / f"{i}.png", RED)
    plan = plan_of_one_folder(tmp_path, seed=5)
    assert [subject for subject, _ in plan.enrolled] == ["Ada", "Bob"]
    assert sorted(subject for subject, _ in plan.probes) == ["Ada", "Ada", "Ada", "Bob", "Cy"]
    assert not {photo for _, photo in plan.enrolled} & {photo for _, photo in plan.probes}
    assert plan.enrolled == plan_of_one_folder(tmp_path, seed=5).enrolled
    draws = {tuple(plan_of_one_folder(tmp_path, seed=seed).enrolled) for seed in range(20)}
    assert len(draws) > 3
    assert len(plan_of_one_folder(tmp_path, photos=3).enrolled) == 3
    with pytest.raises(ConfigError, match="--probes"):
        plan_of_one_folder(tmp_path, photos=4)


def world(seed: int, subjects: int, per_subject: int, unknown: int) -> tuple[Plan, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    enrolled, probes, found = [], [], {}

    def photo(name: str, centre: np.ndarray) -> str:
        found[name] = unit(*(centre + rng.normal(0, 0.35, 16)))
        return name

    for s in range(subjects):
        centre = rng.normal(0, 1, 16)
        enrolled += [(f"s{s}", photo(f"g{s}-{i}", centre)) for i in range(per_subject)]
        probes += [(f"s{s}", photo(f"p{s}-{i}", centre)) for i in range(2)]
    probes += [(f"u{u}", photo(f"u{u}", rng.normal(0, 1, 16))) for u in range(unknown)]
    return Plan(enrolled, probes, {}), found


@pytest.mark.parametrize("search", ["best", "fused"])
def test_searching_is_the_definition(search: str) -> None:
    """More probes than are searched at a time; every score, rank and top one by one."""
    plan, found = world(1, subjects=40, per_subject=3, unknown=700)
    report = search_found(plan, found, MODEL_ID, search=search)  # type: ignore[arg-type]
    samples: dict[str, list[np.ndarray]] = {}
    for subject, photo in plan.enrolled:
        samples.setdefault(subject, []).append(found[photo])
    for row in [*range(0, 80, 7), *range(80, 780, 97)]:
        subject, photo = plan.probes[row]
        scores = {
            name: float(
                max(v @ found[photo] for v in rows) if search == "best" else fuse(np.stack(rows)) @ found[photo]
            )
            for name, rows in samples.items()
        }
        assert report.tops[row] == pytest.approx(max(scores.values()), abs=1e-6)
        assert scores[report.named[row]] == pytest.approx(max(scores.values()), abs=1e-6)
        if subject in scores:
            assert report.mate_scores[row] == pytest.approx(scores[subject], abs=1e-6)
            assert report.ranks[row] == sum(s >= scores[subject] - 1e-7 for s in scores.values())
        else:
            assert not report.mated[row]


def test_figures_fall_with_the_rate_and_have_intervals() -> None:
    plan, found = world(2, subjects=60, per_subject=1, unknown=200)
    document = search_found(plan, found, MODEL_ID).as_dict()
    rows = document["fnir_at_fpir"]
    assert [row["fpir"] for row in rows] == [0.1, 0.01]
    assert 0 < rows[0]["fnir"] < rows[1]["fnir"] < 1
    for row in rows:
        for key in ("interval", "subject_interval"):
            assert row[key][0] < row["fnir"] < row[key][1]
    assert document == search_found(plan, found, MODEL_ID).as_dict(), "the same twice"
    easier = search_found(plan, found, MODEL_ID).as_dict(max_rank=5)["fnir_at_fpir"]
    assert easier[0]["fnir"] <= rows[0]["fnir"]
    curves = search_found(plan, found, MODEL_ID).curves()
    assert sum(curves["histogram"]["mated"]) == 120
    assert curves["det"][-1][0] is None
    json.dumps(curves, allow_nan=False)


def test_scores_can_be_normalised() -> None:
    plan, found = world(3, subjects=10, per_subject=1, unknown=20)
    report = search_found(plan, found, MODEL_ID, normalise=lambda scores: scores - scores.mean(axis=1, keepdims=True))
    plain = search_found(plan, found, MODEL_ID)
    assert (report.tops < plain.tops).any()
    assert list(report.ranks) == list(plain.ranks), "the same is taken from every subject"


def test_nobody_could_be_enrolled() -> None:
    plan = Plan([("Ada", "g")], [("Ada", "p"), ("Bob", "q")], {})
    found = {"g": NoFaceError("g"), "p": unit(1, 0), "q": unit(0, 1)}
    document = search_found(plan, found, MODEL_ID).as_dict()
    assert (document["fte"], document["rank_1"]) == (1, 0.0)
    assert (subject_scores(np.stack([unit(1, 0)]), np.zeros((0, 2), np.float32), np.array([], int), 3) == -np.inf).all()
