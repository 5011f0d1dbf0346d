"""app.evaluation with fakes: pairs files, figures, and failures that count."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from app.evaluation import Pair, PairsReport, evaluate_pairs, read_pairs, write_scores
from app.services import Services
from pipeline.config import Settings
from pipeline.errors import ConfigError
from tests.fakes import BLUE, GREEN, MODEL_ID, RED, YELLOW, fake_recognizer, vector_of, write_bars

LFW = "2\t1\nAda Lovelace\t1\t2\nBob\t1\tAda Lovelace\t3\nBob\t10\t2\n"


def report(scores: list[float], mated: list[bool], failures: list[str] | None = None) -> PairsReport:
    pairs = [Pair(f"{i}a", f"{i}b", m) for i, m in enumerate(mated)]
    return PairsReport(pairs, np.array(scores), failures or [""] * len(pairs), MODEL_ID)


def test_lfw_pairs_are_read(tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text(LFW, encoding="utf-8")
    assert read_pairs(file) == [
        Pair("Ada Lovelace/Ada Lovelace_0001.jpg", "Ada Lovelace/Ada Lovelace_0002.jpg", True),
        Pair("Bob/Bob_0001.jpg", "Ada Lovelace/Ada Lovelace_0003.jpg", False),
        Pair("Bob/Bob_0010.jpg", "Bob/Bob_0002.jpg", True),
    ]
    file.write_text("Ada 1 2\nAda 1 Bob 1\n\n", encoding="utf-8")
    assert [pair.mated for pair in read_pairs(file)] == [True, False]


@pytest.mark.parametrize(
    ("line", "number"),
    [("Ada 1", 2), ("Ada one 2", 2), ("../x 1 2", 2), ("Ada 1 Bob 2 3", 2), (".. 1 2", 2), ("a\\b 1 2", 2)],
)
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, line: str, number: int) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text(f"10\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=f"line {number} "):
        read_pairs(file)


@pytest.mark.parametrize("text", ["", "Ada 1 2\n", "Ada 1 Bob 2\n"])
def test_both_kinds_of_pairs_are_needed(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="mated and non-mated"):
        read_pairs(file)


def test_a_pairs_file_in_no_text_is_a_named_error(tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_bytes(b"\xff\xfe\x00Ada")
    with pytest.raises(ConfigError, match=r"pairs\.txt"):
        read_pairs(file)


def folder_of(tmp_path: Path) -> tuple[Path, Path]:
    """Ada is red, Bob is green, Cy has a photo that is none."""
    for name, colour, count in (("Ada", RED, 3), ("Bob", GREEN, 2), ("Dee", YELLOW, 1)):
        for i in range(1, count + 1):
            write_bars(tmp_path / "photos" / name / f"{name}_{i:04d}.jpg", colour, note=i)
    (tmp_path / "photos/Cy").mkdir()
    (tmp_path / "photos/Cy/Cy_0001.jpg").write_bytes(b"no photo")
    write_bars(tmp_path / "photos/Cy/Cy_0002.jpg")
    lines = ["Ada 1 2", "Ada 1 3", "Bob 1 2", "Cy 1 2", "Ada 1 Bob 1", "Ada 2 Dee 1", "Bob 2 Cy 2", "Bob 1 Eve 1"]
    file = tmp_path / "pairs.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "photos", file


def test_pairs_are_scored_and_failures_are_counted(tmp_path: Path) -> None:
    photos, file = folder_of(tmp_path)
    services = Services(Settings(workers=2))
    services._recognizer = fake_recognizer()
    seen: list[str] = []

    def watch(names: list[str]) -> list[str]:
        seen.extend(names)
        return names

    result = evaluate_pairs(services, photos, read_pairs(file), watch=watch)  # type: ignore[arg-type]
    assert seen == sorted(set(seen)), "each photo once"
    assert list(result.failures) == ["", "", "", "photo_format", "", "", "no_face", "photo_not_found"]
    strangers = [vector_of(RED) @ vector_of(GREEN), vector_of(RED) @ vector_of(YELLOW)]
    expected = [1, 1, 1, math.nan, *strangers, math.nan, math.nan]
    np.testing.assert_allclose(result.scores, expected, atol=1e-5)
    document = result.as_dict()
    assert (document["pairs"], document["mated"], document["non_mated"], document["fta"]) == (8, 4, 4, 3)
    assert document["model_id"] == MODEL_ID
    assert document["eer"] == pytest.approx(0.25), "the failed mated pair is never found"
    assert document["accuracy"]["mean"] == pytest.approx(5 / 8), "failed pairs are wrong"
    json.dumps(document, allow_nan=False)

    write_scores(tmp_path / "scores.csv", result)
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["a", "b", "mated", "score", "failure"]
    assert rows[0]["score"] == "1.000000"
    assert (rows[3]["score"], rows[3]["failure"], rows[3]["mated"]) == ("", "photo_format", "1")
    assert rows[4]["mated"] == "0"


def test_figures_of_a_made_up_set() -> None:
    mated = [True] * 100 + [False] * 100
    scores = [0.9] * 96 + [0.05] * 4 + [0.0] * 99 + [0.95]
    document = report(scores, mated).as_dict()
    by_fmr = {row["fmr"]: row for row in document["tar_at_fmr"]}
    assert set(by_fmr) == {0.1, 0.01}, "100 comparisons say nothing of 0.001"
    assert by_fmr[0.01]["tar"] == pytest.approx(1.0)
    assert 0.0 < by_fmr[0.01]["threshold"] <= 0.05
    assert by_fmr[0.1]["tar"] == pytest.approx(1.0)
    low, high = by_fmr[0.01]["interval"]
    assert low == pytest.approx(1 - 3 / 100)
    assert high == 1
    # The four low mated scores are all in the last fold, whose threshold the other folds set halfway to 0.9.
    assert document["accuracy"]["mean"] == pytest.approx(1 - 5 / 200)


def test_a_failure_lowers_tar_but_never_raises_fmr() -> None:
    mated = [True] * 100 + [False] * 100
    scores = [0.9] * 100 + [0.1] * 100
    scores[0] = scores[100] = math.nan
    document = report(scores, mated).as_dict()
    for row in document["tar_at_fmr"]:
        assert row["tar"] == 0.99
        assert row["interval"][0] < 0.99 < row["interval"][1]
    assert document["fta"] == 2
    assert document["accuracy"]["mean"] == pytest.approx(198 / 200)
    low, high = document["accuracy"]["interval"]
    assert low < 198 / 200 < high


@pytest.mark.parametrize(
    ("scores", "mated"),
    [
        ([0.9, 0.1], [True, False]),
        ([0.9, 0.8, 0.1], [True, True, False]),
        ([math.nan, math.nan], [True, False]),
        ([0.9] + [0.1] * 9, [True] + [False] * 9),
        ([0.5] * 6, [True, False] * 3),
    ],
)
def test_any_set_of_pairs_gives_valid_json(scores: list[float], mated: list[bool]) -> None:
    json.dumps(report(scores, mated).as_dict(), allow_nan=False)


def test_blue_is_another_person() -> None:
    assert abs(float(vector_of(BLUE) @ vector_of(RED))) < 0.6
