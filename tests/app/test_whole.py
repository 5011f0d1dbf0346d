"""The two packages of OpenCV, which write the same files."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from app.cli.main import main


@pytest.mark.parametrize("left", [None, ModuleSpec("cv2", None, is_package=True)])
def test_half_an_opencv_is_named(left, monkeypatch, capsys):
    """None: nothing is left; a spec without a file: a folder is left, which imports as an empty package."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: left)
    assert main(["gallery", "list", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["error"] == "runtime_unavailable"
    assert "pip install --force-reinstall --no-deps opencv-python-headless" in document["message"]
    assert main(["--help"]) == 0


def test_both_packages_are_held_to_one_range():
    """So that whichever is installed last leaves an OpenCV that fits."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    every = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    ranges = {line.split(">=")[0]: line.split(">=")[1] for line in every if line.startswith("opencv")}
    assert set(ranges) == {"opencv-python", "opencv-python-headless"}
    assert len(set(ranges.values())) == 1
