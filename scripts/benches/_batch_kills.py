"""kill -9 at random moments of `identify --run`, and resume: the same bytes, and nothing committed twice."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from app.runs import Run, schema
from pipeline.config import home as user_home
from scripts.benches._batch_folder import mixed_folder

_PEOPLE = 20


def kills(photos: Path, files: int, count: int) -> dict:
    """One run left alone, and one killed `count` times, of the same made folder; the hashes of their results.

    The moments are drawn over the whole run, its walk and its writing included; each kill waits until the run is as far
    as was drawn, and up to half a second more.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = sorted(photos.rglob("*.jpg"))
        made = mixed_folder(folder / "photos", sources, files)
        whole, killed = Place(folder / "whole"), Place(folder / "killed")
        _enrol(folder, sources, whole)
        start = time.perf_counter()
        _finish(whole, folder)
        seconds = time.perf_counter() - start
        expected = whole.results()

        rng = np.random.default_rng(0)
        total = whole.run().progress()["total"]
        at = sorted(int(done) for done in rng.integers(0, total + total // 20, count))
        done_at_kill, faults = [], []
        for target in at:
            outcome = _kill(killed, folder, target, float(rng.uniform(0, 0.5)))
            done_at_kill.append(outcome)
            faults += killed.faults()
        _finish(killed, folder)
        found = killed.results()
        return {
            "files": total,
            "made": made,
            "seconds_uninterrupted": round(seconds, 1),
            "kills": sum(done is not None for done in done_at_kill),
            "done_at_kill": done_at_kill,
            "identical": found == expected,
            "results": expected,
            "ledger_faults": faults,
            "contents_embedded": killed.embedded(),
            "contents_different": killed.contents(),
            "none_twice": killed.embedded() == killed.contents() == whole.contents(),
        }


class Place:
    """A data folder with the models of the user's, and where its results are written."""

    def __init__(self, home: Path) -> None:
        self.home, self.out = home, home / "out"
        home.mkdir()
        (home / "models").symlink_to(user_home() / "models", target_is_directory=True)

    def run(self) -> Run:
        return Run.open(self.home, "r")

    def results(self) -> dict[str, str]:
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(self.out.iterdir())}

    def embedded(self) -> int:
        """How often a content was committed."""
        return self.run().meta()["analysed"]

    def contents(self) -> int:
        """How many different contents could be used."""
        with schema.connected(self.run().file) as connection:
            return connection.execute("select count(*) from contents where error is null").fetchone()[0]

    def faults(self) -> list[str]:
        file = self.home / "runs" / "r" / "ledger.sqlite3"
        if not file.is_file() or not file.stat().st_size:
            return []
        with schema.connected(file) as connection:
            said = [row[0] for row in connection.execute("pragma integrity_check")]
            said += [str(row) for row in connection.execute("pragma foreign_key_check")]
        return [line for line in said if line != "ok"]


def _command(place: Place, folder: Path) -> tuple[list[str], dict[str, str]]:
    words = ["--quiet", "--gallery", str(folder / "gallery"), "identify", str(folder / "photos"), "--run", "r"]
    words += ["--out", str(place.out), "--json"]
    return [sys.executable, "-m", "app.cli", *words], {**os.environ, "KNOWNFACE_HOME": str(place.home)}


def _finish(place: Place, folder: Path) -> None:
    words, environment = _command(place, folder)
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    assert place.out.is_dir(), done.stdout.decode()[-500:]
    assert done.returncode == 3, done.stderr.decode()  # some files cannot be used, and all the rest is there


def _kill(place: Place, folder: Path, target: int, later: float) -> int | None:
    """Kills once `target` files are done; None where the run came to its end before."""
    words, environment = _command(place, folder)
    child = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    file = place.home / "runs" / "r" / "ledger.sqlite3"
    while child.poll() is None:
        if file.is_file() and file.stat().st_size:
            progress = place.run().progress()
            if progress["done"] >= target or progress["state"] == "deciding":
                break
        time.sleep(0.1)
    time.sleep(later)
    child.send_signal(signal.SIGKILL)
    if child.wait() != -signal.SIGKILL:
        return None
    return place.run().progress()["done"] if file.is_file() and file.stat().st_size else 0


def _enrol(folder: Path, sources: list[Path], place: Place) -> None:
    """The first photo of some people; one that shows several faces is not enrolled."""
    people = sorted({file.parent for file in sources if len(list(file.parent.iterdir())) > 1})[:_PEOPLE]
    for person in people:
        (folder / "people" / person.name).mkdir(parents=True)
        first = min(person.iterdir())
        (folder / "people" / person.name / first.name).symlink_to(first.resolve())
    words = ["--quiet", "--gallery", str(folder / "gallery"), "enrol", "--folder", str(folder / "people")]
    environment = {**os.environ, "KNOWNFACE_HOME": str(place.home)}
    done = subprocess.run([sys.executable, "-m", "app.cli", *words], env=environment, capture_output=True, check=False)
    assert done.returncode in (0, 3), done.stderr.decode()
