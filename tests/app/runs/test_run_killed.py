"""A run that is killed again and again ends with the same bytes as one that was left alone; no file is done twice."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.runs import Run, schema
from app.runs.output import write_results
from app.runs.session import Plan, Session
from tests.app_runs import Told, fake_services
from tests.fakes import BLUE, GREEN, RED, WHITE, YELLOW, bars, write_bars

COLOURS = (RED, GREEN, BLUE, YELLOW, WHITE)
REPOSITORY = Path(__file__).parents[3]


def made_folder(folder: Path) -> Path:
    """Photos of one to three faces, copies, nested, rotated by EXIF, of nobody, damaged, and files that are none."""
    for number in range(90):
        where = folder / ("a/b/c" if number % 7 == 0 else f"d{number % 3}")
        faces = [COLOURS[(number + k) % 5] for k in range(number % 3 + (number % 10 != 0))]
        write_bars(where / f"{number:03d}.png", *faces, note=number + 1)
    for number in range(0, 90, 9):
        original = next(folder.rglob(f"{number:03d}.png"))
        (folder / f"copy-{number}.png").write_bytes(original.read_bytes())
    for number, orientation in enumerate((3, 6, 8)):
        done, data = cv2.imencode(".jpg", cv2.cvtColor(bars(COLOURS[number]), cv2.COLOR_RGB2BGR))
        assert done
        exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation]) + bytes(7)
        body = bytes(data)
        (folder / f"turned-{number}.jpg").write_bytes(
            body[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + body[2:]
        )
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_bytes(b"not a photo at all")
    (folder / "notes.txt").write_text("no photo")
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    return folder


def results(run: Run, out: Path) -> dict[str, str]:
    """Hash of every result file."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in write_results(run, out)}


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_killed_and_resumed_gives_the_same_bytes(tmp_path: Path) -> None:
    photos = made_folder(tmp_path / "photos")
    with closing(fake_services(tmp_path / "whole", tmp_path / "gallery")) as services:
        services.enrol("Ada", [write_bars(tmp_path / "ada.png", RED)])
        services.enrol("Bob", [write_bars(tmp_path / "bob.png", GREEN)])
        with Session(services, Plan("r", (str(photos),)), Told()) as session:
            session.once()
    expected = results(session.run, tmp_path / "expected")
    assert session.run.summary()["failed"] == 4

    rng, killed = np.random.default_rng(5), 0
    for _ in range(30):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.app_runs", tmp_path / "killed", tmp_path / "gallery", photos],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        for _ in range(rng.integers(3, 7)):
            if not child.stdout.readline():
                break
        child.send_signal(signal.SIGKILL)
        child.stdout.close()
        killed += child.wait() == -signal.SIGKILL
        if Run.open(tmp_path / "killed", "r").progress()["state"] == "finished":
            break
    assert killed >= 3
    with (
        closing(fake_services(tmp_path / "killed", tmp_path / "gallery")) as services,
        Session(services, Plan("r", (str(photos),)), Told()) as resumed,
    ):
        resumed.once()
    assert results(resumed.run, tmp_path / "resumed") == expected
    with schema.connected(resumed.run.file) as connection:
        (contents,) = connection.execute("select count(*) from contents where error is null").fetchone()
    assert resumed.run.meta()["analysed"] == session.run.meta()["analysed"] == contents, "each content exactly once"
