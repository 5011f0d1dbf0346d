"""pipeline.runtime: both runtimes give the same answers, share well between threads, and name their errors."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pipeline.runtime as module
from pipeline.config import Settings
from pipeline.errors import ModelDamagedError, ModelError, RuntimeUnavailableError
from pipeline.protocols import Array, Session
from pipeline.runtime import OUTPUT_TOLERANCE, OnnxRuntimeSession, OpenVinoSession, choose_runtime, load_session
from pipeline.weights import InstalledModel, ModelStore, RuntimeRecord, load_cards
from tests.fakes import FakeSession

NAMES = ["yunet.2023mar", "onet.mtcnn", "sface.2021dec"]


@pytest.fixture(scope="module")
def installed(models_home: Path) -> dict[str, InstalledModel]:
    store = ModelStore(Settings(home=models_home).models_dir)
    return {name: store.installed(name) for name in NAMES}


def inputs_for(session: Session, name: str, batch: int, seed: int = 0) -> dict[str, Array]:
    shape = {"yunet.2023mar": (batch, 3, 96, 160), "onet.mtcnn": (batch, 48, 48, 3)}
    shape["sface.2021dec"] = (batch, 3, 112, 112)
    values = np.random.default_rng(seed).uniform(0, 255, shape[name]).astype(np.float32)
    return {session.inputs[0]: (values - 127.5) / 128 if name == "onet.mtcnn" else values}


@pytest.mark.parametrize("name", NAMES)
def test_both_runtimes_agree_at_every_batch_size(installed: dict[str, InstalledModel], name: str) -> None:
    one, other = OnnxRuntimeSession(installed[name].file), OpenVinoSession(installed[name].file)
    assert one.runtime == "onnxruntime/cpu fp32"
    assert other.runtime == "openvino/cpu fp32"
    assert one.inputs == other.inputs
    assert sorted(one.outputs) == sorted(other.outputs)
    for batch in (1, 3, 2):
        fed = inputs_for(one, name, batch, seed=batch)
        expected, got = one.run(fed), other.run(fed)
        assert set(expected) == set(got)
        for output, values in expected.items():
            assert len(values) == batch, output
            largest = max(float(np.abs(values).max()), 0.01)
            assert float(np.abs(values - got[output]).max()) <= OUTPUT_TOLERANCE * largest, output


@pytest.mark.parametrize("kind", [OnnxRuntimeSession, OpenVinoSession])
@pytest.mark.parametrize("name", ["yunet.2023mar", "onet.mtcnn"])
def test_eight_threads_share_a_session(installed: dict[str, InstalledModel], kind: Any, name: str) -> None:
    session = kind(installed[name].file)
    fed = [inputs_for(session, name, batch=1 + seed % 3, seed=seed) for seed in range(12)]
    expected = [session.run(inputs) for inputs in fed]
    with ThreadPoolExecutor(8) as pool:
        rounds = list(pool.map(lambda i: (i % 12, session.run(fed[i % 12])), range(96)))
    for row, got in rounds:
        for output, values in expected[row].items():
            np.testing.assert_allclose(got[output], values, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [OnnxRuntimeSession, OpenVinoSession])
def test_an_answer_stays_what_it_was_after_the_next_run(installed: dict[str, InstalledModel], kind: Any) -> None:
    session = kind(installed["onet.mtcnn"].file)
    first = session.run(inputs_for(session, "onet.mtcnn", 2, seed=1))
    kept = {name: values.copy() for name, values in first.items()}
    session.run(inputs_for(session, "onet.mtcnn", 2, seed=2))
    for name, values in kept.items():
        np.testing.assert_array_equal(first[name], values)


@pytest.mark.parametrize("kind", [OnnxRuntimeSession, OpenVinoSession])
@pytest.mark.parametrize("content", [b"", b"not a network", None])
def test_a_file_that_is_no_network_is_a_named_error(tmp_path: Path, kind: Any, content: bytes | None) -> None:
    file = tmp_path / "model.onnx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelDamagedError, match="knownface models verify") as caught:
        kind(file)
    assert str(file) in caught.value.message
    assert "\n" not in caught.value.message


def test_a_runtime_is_taken_as_named_or_as_measured(installed: dict[str, InstalledModel]) -> None:
    model = installed["onet.mtcnn"]
    record = RuntimeRecord(runtime="openvino", ms={"openvino": 1.0}, max_abs_difference=0.0)
    assert load_session(replace(model, runtime=record), "auto").runtime == "openvino/cpu fp32"
    assert load_session(replace(model, runtime=None), "auto").runtime == "onnxruntime/cpu fp32"
    assert load_session(replace(model, runtime=record), "onnxruntime").runtime == "onnxruntime/cpu fp32"
    assert load_session(replace(model, runtime=None), "openvino").runtime == "openvino/cpu fp32"
    with pytest.raises(RuntimeUnavailableError, match="tensorrt"):
        load_session(model, "tensorrt")


def test_a_runtime_that_is_not_there_is_no_silent_fall_back(
    installed: dict[str, InstalledModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(RuntimeUnavailableError, match='runtime = "onnxruntime"'):
        load_session(installed["onet.mtcnn"], "openvino")
    assert choose_runtime(installed["onet.mtcnn"], repeats=1).runtime == "onnxruntime"
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeUnavailableError, match="ONNX Runtime"):
        load_session(installed["onet.mtcnn"], "onnxruntime")


def test_the_faster_runtime_is_chosen(installed: dict[str, InstalledModel], monkeypatch: pytest.MonkeyPatch) -> None:
    record = choose_runtime(installed["onet.mtcnn"], repeats=3)
    assert set(record.ms) == {"onnxruntime", "openvino"}
    assert record.runtime == min(record.ms, key=lambda name: record.ms[name])
    assert 0 <= record.max_abs_difference < 0.1
    ticks = {"onnxruntime": 5.0, "openvino": 1.0}
    now = [0.0]

    def session(kind: str) -> FakeSession:
        def run(inputs: Any) -> dict[str, Array]:
            now[0] += ticks[kind]
            return {"output": np.ones((4, 2), np.float32)}

        return FakeSession(run)

    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(module, "OnnxRuntimeSession", lambda file: session("onnxruntime"))
    monkeypatch.setattr(module, "OpenVinoSession", lambda file, streams: session("openvino"))
    assert choose_runtime(installed["onet.mtcnn"]).runtime == "openvino"
    ticks["openvino"] = 9.0
    assert choose_runtime(installed["onet.mtcnn"]).runtime == "onnxruntime"
    assert choose_runtime(installed["onet.mtcnn"]).ms == {"onnxruntime": 5000.0, "openvino": 9000.0}


def test_runtimes_that_disagree_are_an_error(
    installed: dict[str, InstalledModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([np.full((4, 2), 1.0, np.float32), np.full((4, 2), 1.01, np.float32)])

    def session() -> FakeSession:
        answer = next(answers)
        return FakeSession(lambda inputs: {"output": answer})

    monkeypatch.setattr(module, "OnnxRuntimeSession", lambda file: session())
    monkeypatch.setattr(module, "OpenVinoSession", lambda file, streams: session())
    with pytest.raises(ModelError, match=r"onet\.mtcnn.*disagree on output"):
        choose_runtime(installed["onet.mtcnn"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_that_are_not_finite_are_damage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: float) -> None:
    card = load_cards()["sface.2021dec"]
    answer = np.full((4, 128), value, np.float32)
    monkeypatch.setattr(module, "OnnxRuntimeSession", lambda file: FakeSession(lambda inputs: {"output": answer}))
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelDamagedError, match=r"sface\.2021dec: its output output is not made of finite"):
        choose_runtime(InstalledModel(card, tmp_path / "model.onnx", "0" * 64))


def test_a_network_that_fails_on_its_own_input_is_damage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(inputs: Any) -> dict[str, Array]:
        raise RuntimeError("wrong shape\nof input")

    card = load_cards()["sface.2021dec"]
    monkeypatch.setattr(module, "OnnxRuntimeSession", lambda file: FakeSession(fails))
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelDamagedError, match=r"sface\.2021dec: .* cannot run it"):
        choose_runtime(InstalledModel(card, tmp_path / "model.onnx", "0" * 64))


def test_no_runtime_reports_to_anybody(models_home: Path, tmp_path: Path) -> None:
    """In a process of its own: loading and running both runtimes looks up no host and leaves no identity behind."""
    program = """
import socket, sys
def refuse(*arguments, **_):
    raise SystemExit(f"looked up {arguments}")
socket.getaddrinfo = socket.create_connection = refuse
from pathlib import Path
from pipeline.runtime import OnnxRuntimeSession, OpenVinoSession
for session in (OnnxRuntimeSession(Path(sys.argv[1])), OpenVinoSession(Path(sys.argv[1]))):
    assert session.outputs
"""
    model = ModelStore(models_home / "models").installed("onet.mtcnn").file
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    command = [sys.executable, "-c", program, str(model)]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
