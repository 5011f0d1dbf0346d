"""app.tuning: what is tried, what is taken, and what is kept; and `knownface bench` on the sample photos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import app.tuning as module
from app.tuning import Bench, Setup, in_use, tune
from pipeline.config import Settings
from pipeline.errors import ConfigError
from pipeline.tuned import FILE, read_tuned
from pipeline.weights import ModelStore
from tests.commands import runner


class FakeBench(Bench):
    """Rates come from a function instead of a clock."""

    def __init__(self, settings: Settings, rate: Any) -> None:
        super().__init__(settings, [Path("a.jpg")], 1, lambda text: None)
        self._rate = rate
        self.asked: list[Setup] = []

    def compare(self, setups: Any) -> dict[Setup, float]:
        rates = {setup: float(self._rate(setup)) for setup in setups}
        self.asked += rates
        self.measured.update(rates)
        return rates


@pytest.fixture
def settings(models_home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(module.os, "cpu_count", lambda: 4)
    return Settings()


def sibling(settings: Settings, name: str = "sface.2021dec-int8") -> Any:
    """An installed model that was exported from SFace; only its card is made up."""
    store = ModelStore(settings.models_dir)
    source = store.installed("sface.2021dec")
    parity = {
        "source": source.model_id,
        "faces": 9,
        "people": 3,
        "mean_cosine": 0.997,
        "min_cosine": 0.98,
        "flips": 0,
        "comparisons": 36,
        "data": "made up",
    }
    made = source.card.model_copy(update={"name": name, "precision": "int8", "operating_points": (), "sources": ()})
    card = type(source.card).model_validate({**made.model_dump(), "parity": parity})
    return module.InstalledModel(card, source.file, "1" * 64)


def test_everything_is_tried_and_the_fastest_kept(settings: Settings, isolated_home: Path) -> None:
    def rate(setup: Setup) -> float:
        openvino = sum(runtime == "openvino" for runtime in setup.runtimes)
        return 1 + openvino + (setup.workers == 2) + (setup.batch == 16)

    bench = FakeBench(settings, rate)
    document = tune(bench, settings)
    assert {setup.runtimes for setup in bench.asked} >= {bench.usual.runtimes, ("onnxruntime",) * 3}
    assert {(setup.workers, setup.threads) for setup in bench.asked} >= {(4, 1), (2, 2), (1, 4), (5, 1)}
    assert {setup.batch for setup in bench.asked} >= {1, 4, 8, 16, 32}
    chosen = document["chosen"]
    assert (chosen["workers"], chosen["threads"], chosen["batch"]) == (2, 2, 16)
    kept = read_tuned(settings)
    assert kept is not None
    assert (kept.workers, kept.threads, kept.batch) == (2, 2, 16)
    assert tuple(kept.runtimes.values()) == tuple(chosen["runtimes"])
    assert document["end_to_end"][0]["times_plain"] == 1.0
    assert document["end_to_end"][2]["times_plain"] == rate(Setup(**chosen)) / rate(bench.plain)
    assert in_use(bench, settings) == Setup(**{**chosen, "runtimes": tuple(chosen["runtimes"])})
    assert json.loads((isolated_home / FILE).read_text())["evidence"]["tried"]


def test_what_is_hardly_faster_is_not_taken(settings: Settings) -> None:
    bench = FakeBench(settings, lambda setup: 1.02 if setup.batch == 8 else 1.0)
    assert tune(bench, settings)["chosen"]["batch"] == 4


def test_a_faster_sibling_is_named_but_not_put_in_place(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its templates are others: only `models use` may change them."""
    other = sibling(settings)
    monkeypatch.setattr(module, "_siblings", lambda store, model: [other])
    bench = FakeBench(settings, lambda setup: 9.0 if setup.precision == "int8" else 1.0)
    document = tune(bench, settings)
    assert document["fastest"]["embedder"] == "sface.2021dec-int8"
    assert document["chosen"]["embedder"] == "sface.2021dec"
    assert [row["times_plain"] for row in document["end_to_end"]] == [1.0, 1.0, 1.0, 9.0]
    assert document["parity"][0]["mean_cosine"] == 0.997
    kept = read_tuned(settings)
    assert kept is not None
    assert other.model_id not in kept.models


def test_siblings_are_those_that_passed_parity(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ModelStore(settings.models_dir)
    source, made = store.installed("sface.2021dec"), sibling(settings)
    rows = [type("Row", (), {"installed": one}) for one in (source, made, store.installed("onet.mtcnn"), None)]
    monkeypatch.setattr(ModelStore, "list", lambda self: rows)
    assert [one.card.name for one in module._siblings(store, source)] == ["sface.2021dec-int8"]
    assert [one.card.name for one in module._siblings(store, made)] == ["sface.2021dec"]


def test_there_must_be_photos(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="--photos DIR"):
        Bench(settings, [], 1, lambda text: None)


@pytest.mark.slow
def test_bench_measures_and_tunes(
    settings: Settings,
    sample_photos: Path,
    isolated_home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(module, "_BATCHES", (8,))
    cli = runner(capsys)
    words = ("bench", "--photos", sample_photos / "photos", "--count", "1", "--rounds", "1")
    before = cli("--json", *words)
    assert before.code == 0, before.err
    assert [row["what"] for row in before.document["end_to_end"]] == ["plain", "untuned", "in use"]
    assert before.document["faces"] == 1
    tuned = cli("--json", *words, "--tune")
    assert tuned.code == 0, tuned.err
    assert tuned.document["kept_in"] == str(isolated_home / FILE)
    assert len(tuned.document["tried"]) >= 6
    assert all(row["photos_per_second"] > 0 for row in tuned.document["tried"])
    shown = cli(*words)
    assert "photos/s" in shown.out
    assert "x plain" in shown.out
