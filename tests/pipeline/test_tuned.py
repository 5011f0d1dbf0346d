"""pipeline.tuned: what was measured for this machine is used on it, and passed over anywhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import pipeline.tuned as module
from app.services import Services
from pipeline.build import build_recognizer
from pipeline.config import Settings
from pipeline.tuned import FILE, Tuned, machine_here, read_tuned, versions_here, write_tuned
from pipeline.weights import ModelStore

NAMES = ("yunet.2023mar", "onet.mtcnn", "sface.2021dec")


def tuned(ids: tuple[str, ...] = tuple(f"{name}@00000000" for name in NAMES), **changes: Any) -> Tuned:
    made: dict[str, Any] = {
        "machine": machine_here(),
        "versions": versions_here(),
        "models": ids,
        "runtimes": dict.fromkeys(ids, "onnxruntime"),
        "workers": 3,
        "threads": 2,
        "batch": 7,
    }
    return Tuned(**{**made, **changes})


def test_it_is_read_back_on_the_machine_it_was_measured_on(isolated_home: Path) -> None:
    settings = Settings()
    assert read_tuned(settings) is None
    assert write_tuned(settings, tuned()) == isolated_home / FILE
    assert read_tuned(settings) == tuned()
    assert [file.name for file in isolated_home.iterdir()] == [FILE]


@pytest.mark.parametrize(
    "changes",
    [
        {"machine": "another"},
        {"versions": {**versions_here(), "openvino": "1999.1"}},
        {"versions": {"knownface": versions_here()["knownface"]}},
    ],
)
def test_it_is_passed_over_elsewhere(isolated_home: Path, changes: dict[str, Any]) -> None:
    write_tuned(Settings(), tuned(**changes))
    assert read_tuned(Settings()) is None


@pytest.mark.parametrize("changes", [{"runtime": "openvino"}, {"provider": "cuda"}])
def test_settings_that_choose_themselves_win(isolated_home: Path, changes: dict[str, Any]) -> None:
    write_tuned(Settings(), tuned())
    assert read_tuned(Settings(**changes)) is None


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"machine": 1}', "no json"])
def test_a_file_that_is_none_of_ours_is_passed_over(isolated_home: Path, content: str) -> None:
    (isolated_home / FILE).write_text(content)
    assert read_tuned(Settings()) is None


def test_what_is_written_is_whole_or_not_there(isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tuned(Settings(), tuned())
    before = (isolated_home / FILE).read_text()

    def fails(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(module.Path, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        write_tuned(Settings(), tuned(workers=9))
    assert [file.name for file in isolated_home.iterdir()] == [FILE]
    assert (isolated_home / FILE).read_text() == before
    assert json.loads(before)["workers"] == 3


def test_the_number_of_workers_is_for_these_models_and_where_it_is_left_open() -> None:
    found = tuned()
    assert found.apply(Settings()).workers == 3
    assert found.apply(Settings(workers=5)).workers == 5
    assert found.apply(Settings(embedder="arcface.mine")).workers == 0
    assert found.apply(Settings(refiner="none")).workers == 0


def test_services_use_it(isolated_home: Path) -> None:
    write_tuned(Settings(), tuned())
    assert Services(Settings()).settings.worker_count == 3
    write_tuned(Settings(), tuned(machine="another"))
    assert Services(Settings()).settings == Settings()


def test_the_recognizer_is_built_as_measured(models_home: Path, isolated_home: Path) -> None:
    settings = Settings()
    store = ModelStore(settings.models_dir)
    ids = tuple(store.installed(name).model_id for name in NAMES)
    write_tuned(settings, tuned(ids, runtimes=dict(zip(ids, ("openvino", "onnxruntime", "openvino"), strict=True))))
    recognizer = build_recognizer(settings)
    assert recognizer.runtimes == {
        "detector": "openvino/cpu fp32",
        "refiner": "onnxruntime/cpu fp32",
        "embedder": "openvino/cpu fp32",
    }
    assert recognizer._embedder._max_batch == 7  # type: ignore[attr-defined]
    few = build_recognizer(settings, expect="few")
    assert set(few.runtimes.values()) == {"onnxruntime/cpu fp32"}, "few photos start in what starts fastest"
    write_tuned(settings, tuned((*ids[:2], "sface.2021dec@ffffffff"), runtimes={ids[2]: "onnxruntime"}))
    other = build_recognizer(settings)
    assert other.runtimes["embedder"] == "onnxruntime/cpu fp32", "the runtime of a model is that model's"
    assert other._embedder._max_batch == 4, "the rest is for the models that were measured together"  # type: ignore[attr-defined]
