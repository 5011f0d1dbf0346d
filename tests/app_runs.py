"""Runs with fake stages; as a program, one that says how far it is and is to be killed.

python -m tests.app_runs HOME GALLERY PHOTOS
"""

from __future__ import annotations

import sys
from pathlib import Path

import app.runs.work
from app.runs import Run
from app.runs.session import Plan, Session, Standing
from app.runs.work import Batch
from app.services import Services
from pipeline.config import Settings
from pipeline.gallery import Gallery
from tests import fakes


class Told:
    """Prints a line for every commit."""

    def __init__(self, *, aloud: bool = False) -> None:
        self.aloud = aloud
        self.notes: list[str] = []
        self.batches: list[Batch] = []

    def standing(self, standing: Standing) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)

    def ready(self, run: Run) -> None:
        pass

    def committed(self, run: Run, batch: Batch) -> None:
        self.batches.append(batch)
        if self.aloud:
            sys.stdout.write(f"{len(batch.done)}\n")
            sys.stdout.flush()

    def decided(self, run: Run) -> None:
        pass


def fake_services(home: Path, gallery: Path) -> Services:
    """Coloured bars for faces."""
    made = Services(Settings(home=home, workers=2))
    made._recognizer = fakes.fake_recognizer()
    made._gallery = Gallery.open(gallery, fakes.MODEL_ID, fakes.DIMENSION)
    made.__dict__["points"] = fakes.points()
    return made


def main(home: Path, gallery: Path, photos: Path) -> None:
    """Does the run `r`, with a commit for every few files."""
    app.runs.work._COMMIT_FILES = 5
    services = fake_services(home, gallery)
    with Session(services, Plan("r", (str(photos),)), Told(aloud=True)) as session:
        session.once()
    services.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
