"""An exported backbone computes what torch computes, tells nothing about this machine, and serves the pipeline."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from app.cli.main import main
from pipeline.errors import CheckpointError
from pipeline.weights.card import Card
from tests.training.engine.runs import config, make_photos
from training.backbones import Backbone, build_backbone
from training.backbones.vit import VisionTransformer
from training.engine.loop import train
from training.export import export_backbone, export_run

FAMILIES = {
    "iresnet18": lambda: build_backbone("iresnet18", dimension=32, width=0.125),
    "mobilefacenet": lambda: build_backbone("mobilefacenet", dimension=32, width=0.25),
    "vit": lambda: VisionTransformer(32, 2, 4, dimension=32, patch=28, mask=0.1),
}


def trained(kind: str) -> Backbone:
    """Running statistics that are not those of a new network."""
    torch.manual_seed(0)
    network: Backbone = FAMILIES[kind]()
    with torch.no_grad():
        network(torch.randn(6, 3, 112, 112))
    return network.eval()


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILIES)
def test_onnx_runtime_agrees_with_torch(kind: str, tmp_path: Path) -> None:
    network = trained(kind)
    done = export_backbone(network, tmp_path, name=f"{kind}.unit", title="a test", provenance="made up")
    assert done.max_abs_difference < 1e-4
    session = ort.InferenceSession(str(done.onnx), providers=["CPUExecutionProvider"])
    for batch in (1, 5):
        photos = np.random.default_rng(batch).uniform(-1, 1, (batch, 3, 112, 112)).astype(np.float32)
        with torch.no_grad():
            expected = network(torch.from_numpy(photos)).numpy()
        (found,) = session.run(None, {"input": photos})
        assert found.shape == (batch, 32)
        np.testing.assert_allclose(found, expected, atol=1e-4)
    stored = onnx.load(done.onnx)
    text = done.onnx.read_bytes()
    assert not stored.metadata_props
    assert b"/training/" not in text
    assert b".py" not in text
    assert str(Path.cwd()).encode() not in text
    assert Card.read(done.card).dimension == 32


@pytest.mark.slow
def test_a_trained_model_identifies_people(
    tmp_path: Path,
    sample_photos: Path,
    isolated_home: Path,
    models_home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = config(tmp_path / "run", make_photos(tmp_path / "crops"), epochs=1, save_every_steps=0, ema=0.5)
    train(run, quiet=True)
    with pytest.raises(CheckpointError, match="no best checkpoint"):
        export_run(run.run, tmp_path / "out", name="iresnet18.mine")
    done = export_run(run.run, tmp_path / "out", name="iresnet18.mine", which="last")
    assert "cosface" in tomllib.loads(done.card.read_text(encoding="utf-8"))["provenance"]

    home = tmp_path / "home"  # the models of others are linked; this one is added to a folder of its own
    (home / "models").mkdir(parents=True)
    for model in (models_home / "models").iterdir():
        (home / "models" / model.name).symlink_to(model)
    monkeypatch.setenv("KNOWNFACE_HOME", str(home))
    with done.card.open("a", encoding="utf-8") as card:
        card.write(operating_points(done.onnx))
    for words in (["models", "add", str(done.onnx)], ["models", "use", "iresnet18.mine"]):
        assert main(words) == 0, capsys.readouterr().err
    capsys.readouterr()
    person = sorted(folder for folder in (sample_photos / "enrol").iterdir() if folder.is_dir())[0]
    photo = sorted(person.iterdir())[0]
    gallery = ["--gallery", str(tmp_path / "gallery")]
    assert main([*gallery, "enrol", person.name, str(photo), "--json"]) == 0
    capsys.readouterr()
    assert main([*gallery, "identify", str(photo), "--json"]) == 0
    face = json.loads(capsys.readouterr().out)["faces"][0]
    assert face["subject"] == person.name
    assert face["score"] == pytest.approx(1.0, abs=1e-3)
    assert main([*gallery, "verify", str(photo), str(photo), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model_id"].startswith("iresnet18.mine@")


def operating_points(file: Path) -> str:
    """A made-up threshold for each task, so that decisions can be made."""
    model_id = f"iresnet18.mine@{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}"
    common = "threshold = 0.9\nfmr = 0.0001\nfnmr = 0.5\nnon_mated = 9\nmated = 9\nfmr_upper = 0.5\n"
    measured = f'model_id = "{model_id}"\nmeasured_on = "made up"\n'
    return (
        f'\n[[operating_points]]\ntask = "verify"\n{common}{measured}'
        f'\n[[operating_points]]\ntask = "identify"\n{common}{measured}gallery_size = 10\n'
    )
