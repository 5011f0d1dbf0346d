"""The pictures in README and docs: each is made by a script of ours, from the running app where it shows one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.weights.samples import SampleManifest
from scripts.screenshots import PAGES
from tests.doc_blocks import REPOSITORY, pages

IMAGES = REPOSITORY / "docs" / "images"
#: The other pictures are drawn from figures or from the code: by which script, under which name it writes.
DRAWN_BY = {
    "architecture.svg": ("scripts/drawing.py", "architecture.svg"),
    "errors.svg": ("scripts/figures.py", "errors.svg"),
    "faces112.svg": ("scripts/benches/faces112.py", "curves.svg"),
    "growth.svg": ("scripts/benches/growth.py", "growth.svg"),
    "api.svg": ("scripts/benches/api.py", "api.svg"),
    "scores.svg": ("scripts/figures.py", "scores.svg"),
    "service.svg": ("scripts/benches/service.py", "service.svg"),
    "thresholds.svg": ("scripts/figures.py", "thresholds.svg"),
}


def used() -> set[str]:
    found: set[str] = set()
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"!\[[^]]*\]\(([^)\s]+)", text):
            file = (page.parent / target).resolve()
            assert file.is_file(), f"{page.name}: there is no picture {target}"
            if file.is_relative_to(IMAGES):
                found.add(file.name)
    return found


def test_every_picture_is_made_by_a_script() -> None:
    there = {file.name for file in IMAGES.iterdir() if file.suffix in {".png", ".svg", ".jpg", ".webp"}}
    shots = {f"{page}.png" for page in PAGES}
    assert there == shots | set(DRAWN_BY)
    for script, name in DRAWN_BY.values():
        assert name in (REPOSITORY / script).read_text(encoding="utf-8")
    assert used() <= there


def test_only_public_photos_are_shown_and_all_are_credited() -> None:
    said = (IMAGES / "CREDITS.md").read_text(encoding="utf-8")
    titles = re.findall(r"^\| [a-z, ]+ \| ([^|]+) \|", said, re.MULTILINE)[1:]
    public = {
        photo.title for archive in SampleManifest.load().archives for photo in archive.photos if photo.public_domain
    }
    assert titles
    assert set(titles) <= public


@pytest.mark.slow
@pytest.mark.browser
def test_a_picture_is_made_anew(models_home: Path, sample_photos: Path, tmp_path: Path, browser: object) -> None:
    command = [sys.executable, "-m", "scripts.screenshots", "verify", "--out", str(tmp_path)]
    environment = dict(os.environ, KNOWNFACE_HOME=str(models_home), PYTHONPATH=str(REPOSITORY))
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["verify.png"]
    made = Image.open(tmp_path / "verify.png").convert("RGB")
    committed = Image.open(IMAGES / "verify.png").convert("RGB")
    assert made.size == committed.size
    difference = np.abs(np.asarray(made.resize((64, 60)), np.int16) - np.asarray(committed.resize((64, 60)), np.int16))
    assert difference.mean() < 6, "the page has changed: run scripts/screenshots, look, and commit the pictures"
