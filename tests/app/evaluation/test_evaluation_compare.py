"""Which of two runs is better: shown where it is, not shown where it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli.main import main
from app.evaluation.compare import Compared, compare_runs, read_run
from app.evaluation.identification import search_found
from app.evaluation.output import Run, write_identification_report, write_pairs_report
from app.evaluation.pairs import PairsReport
from app.evaluation.plans import Plan
from app.evaluation.records import Pair
from pipeline.config import Settings
from pipeline.errors import ConfigError
from tests.fakes import MODEL_ID


def pairs_of(count: int, people: int = 60) -> list[Pair]:
    rng = np.random.default_rng(9)
    pairs = []
    for i in range(count):
        a = int(rng.integers(people))
        b = a if i % 2 else (a + 1 + int(rng.integers(people - 1))) % people
        pairs.append(Pair(f"s{a}/{i}.jpg", f"s{b}/x{i}.jpg", a == b))
    return pairs


def saved(folder: Path, scores: np.ndarray, pairs: list[Pair]) -> Path:
    report = PairsReport(pairs, scores, ["no_face" if np.isnan(s) else "" for s in scores], MODEL_ID)
    write_pairs_report(folder, {**report.as_dict(), "protocol": "p"}, report, Run("c", Settings()), None)
    return folder / "report.json"


def scores_of(pairs: list[Pair], gap: float, seed: int, shared: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.03, len(pairs))
    mated = np.array([pair.mated for pair in pairs])
    return gap * mated + shared + noise


def test_a_difference_is_shown_where_it_is(tmp_path: Path) -> None:
    pairs = pairs_of(2000)
    shared = np.random.default_rng(1).normal(0, 0.12, len(pairs))
    worse = saved(tmp_path / "a", scores_of(pairs, 0.35, 2, shared), pairs)
    better = saved(tmp_path / "b", scores_of(pairs, 0.43, 3, shared), pairs)
    document = compare_runs(read_run(worse), read_run(better))
    assert document["better"] == "b"
    row = document["measures"][0]
    assert row["measure"] == "EER"
    assert row["interval"][0] <= row["difference"] <= row["interval"][1] < 0
    assert compare_runs(read_run(better), read_run(worse))["better"] == "a"
    same = compare_runs(read_run(worse), read_run(worse))
    assert same["better"] is None
    assert all(row["difference"] == 0 for row in same["measures"])
    reports = [json.loads(file.read_text(encoding="utf-8")) for file in (worse, better)]
    assert [row["a"], row["b"]] == [report["eer"] for report in reports], "the same figures as in the reports"


def run_of(pairs: list[Pair], scores: np.ndarray) -> Compared:
    keys = [(pair.a, pair.b, 0) for pair in pairs]
    values = dict(zip(keys, scores.tolist(), strict=True))
    return Compared(Path("r"), "verification", MODEL_ID, "p", dict(zip(keys, pairs, strict=True)), values)


def test_none_is_shown_where_there_is_none() -> None:
    """Fifteen pairs of runs that differ by noise alone: a difference is found in hardly any."""
    pairs, found = pairs_of(300), 0
    shared = np.random.default_rng(4).normal(0, 0.12, len(pairs))
    for seed in range(15):
        a, b = (run_of(pairs, scores_of(pairs, 0.4, first + seed, shared)) for first in (100, 200))
        found += compare_runs(a, b)["better"] is not None
    assert found <= 2


def test_only_what_both_compared_counts(tmp_path: Path) -> None:
    pairs = pairs_of(300)
    scores = scores_of(pairs, 0.4, 5, np.zeros(300))
    a = saved(tmp_path / "a", scores, pairs)
    b = saved(tmp_path / "b", np.where(np.arange(240) < 3, np.nan, scores[60:]), pairs[60:])
    document = compare_runs(read_run(a), read_run(b))
    assert (document["comparisons"], document["left_out"]) == (240, 60)
    other = saved(tmp_path / "c", scores, [Pair("q" + p.a, p.b, p.mated) for p in pairs])
    with pytest.raises(ConfigError, match="in common"):
        compare_runs(read_run(a), read_run(other))


def searched(folder: Path, noise: float) -> Path:
    rng = np.random.default_rng(6)

    def unit(row: np.ndarray) -> np.ndarray:
        return (row / np.linalg.norm(row)).astype(np.float32)

    centres = rng.normal(0, 1, (80, 24))
    found = {f"g{i}": unit(centres[i]) for i in range(80)}
    found |= {f"p{i}": unit(centres[i % 80] + rng.normal(0, noise, 24)) for i in range(240)}
    found |= {f"u{i}": unit(rng.normal(0, 1, 24)) for i in range(150)}
    probes = [(f"s{i % 80}", f"p{i}") for i in range(240)] + [(f"n{i}", f"u{i}") for i in range(150)]
    report = search_found(Plan([(f"s{i}", f"g{i}") for i in range(80)], probes, {}), found, MODEL_ID)
    figures = {**report.as_dict(), "protocol": "p"}
    write_identification_report(folder, figures, report, Run("c", Settings()), None)
    return folder / "report.json"


def test_searches_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = searched(tmp_path / "a", 1.0), searched(tmp_path / "b", 0.7)
    document = compare_runs(read_run(a), read_run(b))
    assert document["better"] == "b"
    assert [row["measure"] for row in document["measures"]] == ["FNIR at FPIR 0.01", "FNIR at FPIR 0.1"]
    report = json.loads(a.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = report["fnir_at_fpir"]
    assert [row["a"] for row in document["measures"]] == pytest.approx([row["fnir"] for row in rows[::-1]])
    for words in (("compare", str(a), str(b)), (str(a), str(b))):
        assert main(["evaluate", *words, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == document
    assert main(["evaluate", str(a), str(b)]) == 0
    assert "B is better" in capsys.readouterr().out
    pairs = pairs_of(50)
    one = saved(tmp_path / "c", scores_of(pairs, 0.4, 1, np.zeros(50)), pairs)
    with pytest.raises(ConfigError, match="cannot be compared"):
        compare_runs(read_run(a), read_run(one))


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", "[" * 100_000, '{"kind": 1}', '{"kind":"verification","model_id":"m","protocol":"p"}'),
        '{"kind":"verification","model_id":"m","protocol":"p","scores_file":"../x"}',
        '{"kind":"other","model_id":"m","protocol":"p","scores_file":"x"}',
        '{"kind":"verification","model_id":"m","protocol":"p","scores_file":"x"}',
    ],
)
def test_what_is_no_report_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "report.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"report\.json"):
        read_run(file)


def test_damaged_comparisons_are_named(tmp_path: Path) -> None:
    pairs = pairs_of(20)
    file = saved(tmp_path, scores_of(pairs, 0.4, 5, np.zeros(20)), pairs)
    comparisons = tmp_path / "comparisons.csv"
    good = comparisons.read_text(encoding="utf-8").splitlines()
    for bad in ("a,b,1,much,,,s,s", "a,b,1,nan,,,s,s", "a,b,perhaps,0.1,,,s,s", "a,b"):
        comparisons.write_text("\n".join([*good[:5], bad]), encoding="utf-8")
        with pytest.raises(ConfigError, match="line 6"):
            read_run(file)
    comparisons.unlink()
    with pytest.raises(ConfigError, match="comparisons"):
        read_run(file)
