"""`knownface models ...` as people and programs call it: exit code, stdout, stderr."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.cli.main import main
from pipeline.config import Settings
from pipeline.weights import ModelStore

Result = tuple[int, str, str]
Run = Callable[..., Result]
STACK = {
    "detector": "yunet.2023mar",
    "refiner": "onet.mtcnn",
    "embedder": "sface.2021dec",
    "liveness": "none",
    "eyes": "none",
}
IN_USE = [name for name in STACK.values() if name != "none"]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> Result:
        code = main(["models", *(str(word) for word in words)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def document(result: Result) -> dict[str, Any]:
    """The one JSON document on stdout."""
    found: dict[str, Any] = json.loads(result[1])
    return found


def embedder_file(folder: Path, name: str = "w_tiny.onnx", seed: int = 0) -> Path:
    weights = np.random.default_rng(seed).normal(size=(3, 64)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["face"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["vector"]),
        ],
        "g",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["N", 3, 112, 112])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["N", 64])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    folder.mkdir(exist_ok=True)
    onnx.save(model, folder / name)
    return folder / name


def test_list_shows_licence_and_stack(run: Run) -> None:
    listed = document(run("list", "--json"))
    rows = {row["name"]: row for row in listed["models"]}
    assert listed["stack"] == STACK
    assert {name for name, row in rows.items() if row["in_use"]} == set(IN_USE)
    assert not any(row["installed"] for row in rows.values())
    assert rows["sface.2021dec"]["licence"] == "Apache-2.0"
    assert rows["sface.2021dec"]["commercial_use"] is True
    assert rows["arcface.buffalo_l"]["commercial_use"] is False
    code, out, err = run("list")
    assert (code, err) == (0, "")
    assert "onet.mtcnn" in out
    lines = run("list", "--json-lines")[1].splitlines()
    assert [json.loads(line)["name"] for line in lines] == list(rows)


def test_list_of_installed_models(run: Run, models_home: Path) -> None:
    rows = {row["name"]: row for row in document(run("list", "--json"))["models"]}
    row = rows["sface.2021dec"]
    assert row["installed"]
    assert row["model_id"].startswith("sface.2021dec@")
    assert row["size"] == (models_home / "models" / "sface.2021dec" / "model.onnx").stat().st_size
    assert "38.7 MB" in run("list")[1]
    assert (row["precision"], row["runs_on"]) == ("fp32", f"{row['runtime']['runtime']}/cpu fp32")
    assert row["runs_on"] in run("list")[1]


def test_list_says_what_the_settings_make_of_it(run: Run, models_home: Path, isolated_home: Path) -> None:
    for text, wanted in {
        'runtime = "openvino"': "openvino/cpu fp32",
        'provider = "cuda"': "onnxruntime/cuda fp32",
    }.items():
        (isolated_home / "settings.toml").write_text(text)
        rows = {row["name"]: row for row in document(run("list", "--json"))["models"]}
        assert rows["sface.2021dec"]["runs_on"] == wanted
        assert rows["arcface.buffalo_l"]["runs_on"] is None
        assert wanted in run("list")[1]


def test_show(run: Run) -> None:
    shown = document(run("show", "yunet.2023mar", "--json"))
    assert shown["card"]["licence"]["weights"] == "MIT"
    assert shown["state"]["installed"] is False
    code, out, _ = run("show", "yunet.2023mar")
    assert code == 0
    assert tomllib.loads(out.rpartition("\n\nnot installed")[0])["name"] == "yunet.2023mar"


@pytest.mark.parametrize("command", ["show", "pull", "verify", "use"])
def test_an_unknown_model_is_a_named_error(run: Run, command: str) -> None:
    code, out, err = run(command, "no.such", "--json")
    assert code == 3
    assert json.loads(out)["error"] == "card_invalid"
    assert err.count("\n") == 1
    assert "knownface models list" in err


def test_pull_of_what_is_there_measures_at_most_once(run: Run, models_home: Path) -> None:
    first = document(run("pull", "onet.mtcnn", "--json"))["pulled"]
    assert [row["name"] for row in first] == ["onet.mtcnn"]
    assert first[0]["runtime"]["runtime"] in first[0]["runtime"]["ms"]
    assert document(run("pull", "onet.mtcnn", "--json"))["pulled"] == first


def test_without_names_pull_takes_the_models_in_use(run: Run, models_home: Path) -> None:
    lines = run("pull", "--json-lines")[1].splitlines()
    assert [json.loads(line)["name"] for line in lines] == IN_USE
    code, out, _ = run("pull")
    assert code == 0
    assert out.count("\n") == 3


@pytest.mark.parametrize("name", ["buffalo_l", "arcface.buffalo_s", "raccoon_l"])
def test_weights_that_are_not_free_need_the_licence(run: Run, name: str) -> None:
    code, out, _ = run("pull", name, "--json")
    assert code == 3
    error = json.loads(out)
    assert error["error"] == "licence_not_accepted"
    assert "--accept-licence" in error["message"]
    assert "commercial" in error["message"]


def test_verify(run: Run, models_home: Path, isolated_home: Path) -> None:
    code, out, _ = run("verify", "--json")
    assert code == 0
    assert {row["name"] for row in json.loads(out)["verified"]} >= set(IN_USE)
    (isolated_home / "models").unlink()
    target = isolated_home / "models" / "yunet.2023mar"
    shutil.copytree(models_home / "models" / "yunet.2023mar", target)
    data = bytearray((target / "model.onnx").read_bytes())
    data[1000] ^= 1
    (target / "model.onnx").write_bytes(data)
    result = run("verify", "--json")
    assert result[0] == 1
    row = document(result)["verified"][0]
    assert (row["ok"], row["name"]) == (False, "yunet.2023mar")
    assert "knownface models pull yunet.2023mar" in row["message"]
    assert run("verify")[0] == 1
    assert run("verify", "sface.2021dec")[0] == 1  # named, and missing


def test_verify_of_nothing(run: Run) -> None:
    code, out, err = run("verify")
    assert (code, out) == (0, "")
    assert "knownface models pull" in err


def test_add_use_and_go_back(run: Run, tmp_path: Path, isolated_home: Path) -> None:
    folder = embedder_file(tmp_path / "tiny").parent
    (folder / "broken.onnx").write_bytes(b"no")
    added = document(run("add", folder, "--json"))
    assert [row["name"] for row in added["added"]] == ["arcface.tiny"]
    assert added["ignored"] == [{"file": "broken.onnx", "reason": "is not an ONNX file"}]
    used = document(run("use", "arcface.tiny", "none", "--json"))
    assert used["stack"] == {**STACK, "embedder": "arcface.tiny", "refiner": "none"}
    assert used["settings"] == str(isolated_home / "settings.toml")
    assert Settings.load().embedder == "arcface.tiny"
    assert document(run("list", "--json"))["stack"]["refiner"] == "none"
    assert ModelStore(Settings.load().models_dir).installed("arcface.tiny").card.dimension == 64


def test_add_says_the_licence_and_what_it_left_out(run: Run, tmp_path: Path) -> None:
    folder = embedder_file(tmp_path / "tiny").parent
    (folder / "broken.onnx").write_bytes(b"no")
    code, out, err = run("add", folder, "--name", "mine")
    assert code == 0
    assert out.startswith("arcface.mine@")
    assert "left out broken.onnx: is not an ONNX file" in err
    assert "licence of the weights: unknown" in err
    code, out, err = run("add", folder, "--name", "mine", "--quiet")
    assert (code, err) == (0, "")


def test_use_of_what_is_not_installed(run: Run, isolated_home: Path) -> None:
    code, out, _ = run("use", "buffalo_l", "--json")
    assert code == 3
    assert json.loads(out)["error"] == "model_missing"
    assert not (isolated_home / "settings.toml").exists()


def test_two_models_for_one_task(run: Run, tmp_path: Path, isolated_home: Path) -> None:
    for seed, name in enumerate(("one", "two")):
        embedder_file(tmp_path / name, seed=seed)
        run("add", tmp_path / name)
    code, out, _ = run("use", "arcface.one", "arcface.two", "--json")
    assert code == 3
    assert "serve one task (embedder)" in json.loads(out)["message"]
    assert not (isolated_home / "settings.toml").exists()


def test_use_writes_the_file_it_was_given(run: Run, tmp_path: Path, isolated_home: Path) -> None:
    run("add", embedder_file(tmp_path / "tiny"))
    config = tmp_path / "mine.toml"
    config.write_text("workers = 3  # keep\n")
    assert run("use", "arcface.w_tiny", "--config", config)[0] == 0
    assert config.read_text() == 'workers = 3  # keep\nembedder = "arcface.w_tiny"\n'
    assert not (isolated_home / "settings.toml").exists()


def test_what_cannot_be_run_does_not_stay_installed(run: Run, tmp_path: Path) -> None:
    embedder_file(tmp_path / "pack", "w_good.onnx")
    network = onnx.load(embedder_file(tmp_path / "pack", "x_bad.onnx", seed=1))
    network.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full((3, 64), np.nan, np.float32), "weights"))
    onnx.save(network, tmp_path / "pack" / "x_bad.onnx")
    code, out, _ = run("add", tmp_path / "pack", "--json")
    error = json.loads(out)
    assert (code, error["error"]) == (3, "model_damaged")
    assert "arcface.pack-x_bad: cannot be used, so it was removed again" in error["message"]
    store = ModelStore(Settings.load().models_dir)
    assert "arcface.pack-x_bad" not in store.cards
    assert store.installed("arcface.pack").runtime is not None
    assert not (store.models_dir / "arcface.pack-x_bad").exists()


def test_the_table_shows_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    from app.cli.context import Context
    from app.cli.model_output import print_table

    row = {"name": "a.b\x1b[2J", "task": "embedder\x07", "problem": "p\x9b\nq", "licence": "MIT\x1b]0;x\x07"}
    rest = {"runtime": None, "runs_on": None, "installed": False, "in_use": False, "commercial_use": True, "size": 0}
    print_table(Context(), [{**row, **rest}])
    out = capsys.readouterr().out
    assert all(c.isprintable() or c == "\n" for c in out)
    assert "x1b" in out
