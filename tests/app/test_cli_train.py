"""`knownface train` as people call it, and the program where torch cannot be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.main import main
from tests.conftest import REPOSITORY

BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "albumentations", "tensorboard", "safetensors"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None
sys.meta_path.insert(0, Blocker())
from app.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def blocked(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BLOCKED, *map(str, words)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_without_torch_training_names_the_extra(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('run = "r"\n[data]\npath = "p"\n', encoding="utf-8")
    found = blocked("train", file, "--json")
    assert found.returncode == 3
    document = json.loads(found.stdout)
    assert document["error"] == "extra_missing"
    assert "pip install 'knownface[train]'" in document["message"]


def test_without_torch_people_are_enrolled_and_identified(sample_photos: Path, tmp_path: Path) -> None:
    gallery = tmp_path / "gallery"
    person = next(folder for folder in sorted((sample_photos / "enrol").iterdir()) if folder.is_dir())
    photo = next(file for file in sorted(person.iterdir()))
    enrolled = blocked("--gallery", gallery, "enrol", person.name, photo, "--json")
    assert enrolled.returncode == 0, enrolled.stderr
    found = blocked("--gallery", gallery, "identify", photo, "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["faces"][0]["subject"] == person.name


@pytest.mark.parametrize("words", [["train"], ["train", "c.toml", "--resume", "r"]])
def test_a_configuration_or_a_run(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 3
    assert "either a configuration" in capsys.readouterr().err


def test_dry_run_train_and_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", exc_type=ImportError)
    from tests.training.engine.runs import config, make_photos

    photos = make_photos(tmp_path / "photos")
    held_out = make_photos(tmp_path / "held-out", identities=3, photos=3, seed=1)
    evaluation = [{"name": "held-out", "path": str(held_out)}]
    run = config(tmp_path / "run", photos, epochs=1, save_every_steps=0, evaluation=evaluation, tensorboard=True)
    file = tmp_path / "c.toml"
    file.write_text(run.toml(), encoding="utf-8")
    assert main(["train", "--dry-run", str(file), "--json"]) == 0
    tried = json.loads(capsys.readouterr().out)
    assert (tried["photos"], tried["identities"], tried["steps"]) == (48, 6, 6)
    assert tried["memory_mb"]["total"] > tried["memory_mb"]["activations"] > 0
    assert not run.run.exists()
    assert main(["train", str(file), "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["steps"] == document["best_step"] == 6
    assert 0 <= document["best_error"] <= 0.5
    assert "img/s" in err
    assert list((run.run / "tensorboard").iterdir())
    assert main(["train", str(file)]) == 3
    assert "holds a run already" in capsys.readouterr().err
    assert main(["train", "--resume", str(run.run), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["loss"] is None  # there was nothing left to do
