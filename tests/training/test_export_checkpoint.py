"""`knownface export RUN`: a checkpoint as a model that computes what torch does, and serves where there is no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from app.cli.main import main
from app.exporting.faces import FaceReader
from app.exporting.run import fed
from pipeline.config import Settings
from pipeline.errors import CheckpointError
from pipeline.onnx_runtime import OnnxRuntimeSession
from pipeline.weights import Card
from tests.training.engine.runs import config, make_photos
from tests.training.test_export import operating_points
from training.engine.loop import train
from training.export import TorchSession, exported_checkpoint, read_backbone

ROOT = Path(__file__).resolve().parents[2]
#: What the extra `train` brings and a machine that only recognises does not have.
TORCH = ("torch", "nvidia", "triton", "functorch", "onnxscript", "onnx_ir", "safetensors", "albumentations")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    made = config(folder / "run", make_photos(folder / "crops"), epochs=1, save_every_steps=0)
    train(made, quiet=True)
    return folder / "run"


def real_crops(photos: Path, home: Path) -> np.ndarray:
    """The faces of the sample photos, as a trained network is fed them."""
    settings = Settings(home=home)
    card = Card.read(ROOT / "weights" / "arcface.buffalo_l.toml")
    reader = FaceReader(settings, card, aligned=False, watch=lambda items, what: items)
    return fed(card, reader.folder(photos / "enrol", "faces"))


@pytest.mark.slow
def test_torch_and_onnx_runtime_agree_on_real_faces(run: Path, sample_photos: Path, models_home: Path) -> None:
    crops = real_crops(sample_photos, models_home)
    with exported_checkpoint(run, "last") as opened:
        expected = opened.session.run({"input": crops})["embedding"]
        found = OnnxRuntimeSession(opened.onnx).run({"input": crops})["embedding"]
        assert opened.label == "run/" + next((run / "checkpoints").glob("step-*")).name
        assert str(run) not in opened.card.model_dump_json()
    assert len(crops) >= 4
    np.testing.assert_allclose(found, expected, atol=1e-4)
    _, network = read_backbone(next((run / "checkpoints").glob("step-*")))
    np.testing.assert_array_equal(TorchSession(network).run({"input": crops})["embedding"], expected)


def test_a_run_without_that_checkpoint_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no best checkpoint"), exported_checkpoint(tmp_path, "best"):
        pass


@pytest.mark.slow
def test_a_trained_model_serves_where_there_is_no_torch(
    run: Path,
    tmp_path: Path,
    sample_photos: Path,
    models_home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"  # the models of others are linked; this one is added to a folder of its own
    (home / "models").mkdir(parents=True)
    for model in (models_home / "models").iterdir():
        (home / "models" / model.name).symlink_to(model)
    monkeypatch.setenv("KNOWNFACE_HOME", str(home))
    out, crops = tmp_path / "out", run.parent / "crops"
    words = ["--aligned", "--parity-photos", str(crops), "--checkpoint", "last", "--name", "iresnet18.mine"]
    assert main(["export", str(run), "--out", str(out), *words, "--json"]) == 0, capsys.readouterr().err
    report = json.loads(capsys.readouterr().out)
    assert report["source"]["runtime"] == "torch/cpu fp32"
    assert report["source"]["model_id"].startswith("run/step-")
    assert max(found["cosine"]["max_distance"] for found in report["parity"]["exported"].values()) < 1e-5
    with (out / "iresnet18.mine.toml").open("a", encoding="utf-8") as card:
        card.write(operating_points(out / "iresnet18.mine.onnx"))
    python = without_torch(tmp_path / "plain")
    assert "No module named 'torch'" in called(python, home, "-c", "import torch").stderr
    person = sorted((sample_photos / "enrol").iterdir())[0]
    photo = str(sorted(person.iterdir())[0])
    for line in (
        ("models", "add", str(out / "iresnet18.mine.onnx")),
        ("models", "use", "iresnet18.mine"),
        ("enrol", person.name, photo),
    ):
        done = called(python, home, "-m", "app.cli", *line)
        assert done.returncode == 0, done.stderr
    done = called(python, home, "-m", "app.cli", "identify", photo, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["faces"][0]["subject"] == person.name
    assert document["runtime"]["embedder"].endswith("/cpu fp32")


def without_torch(folder: Path) -> Path:
    """The interpreter of a fresh virtual environment that sees every package installed here but those of TORCH.

    The packages are links: a machine that is set up anew would fetch the same ones.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    packages = folder / "packages"
    packages.mkdir()
    for place in map(Path, sys.path):
        for entry in place.iterdir() if place.name == "site-packages" else ():
            taken = (packages / entry.name).exists() or entry.name.startswith(("__", *TORCH))
            if not taken and not entry.name.endswith(".pth"):
                (packages / entry.name).symlink_to(entry)
    site = next((folder / "lib").glob("python3*/site-packages"))
    (site / "packages.pth").write_text(f"{packages}\n", encoding="utf-8")
    return folder / "bin" / "python"


def called(python: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in that environment, started in the sources' folder."""
    environment = {**os.environ, "KNOWNFACE_HOME": str(home), "PYTHONPATH": ""}
    command = [str(python), *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
