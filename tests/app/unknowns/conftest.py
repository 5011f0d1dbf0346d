"""Services that know coloured bars, and that refuse to embed anything: clusters live on stored vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.services import Services
from pipeline.config import Settings
from pipeline.gallery import Gallery
from tests import fakes


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """Nobody is enrolled yet."""

    def refuse(*_: object) -> None:
        raise AssertionError("a face was embedded again")

    made = Services(Settings(home=tmp_path / "home", gallery=str(tmp_path / "gallery"), workers=2))
    made._recognizer = fakes.fake_recognizer()
    monkeypatch.setattr(made._recognizer._embedder, "embed", refuse)
    made._gallery = Gallery.open(tmp_path / "gallery", fakes.MODEL_ID, fakes.DIMENSION)
    made.__dict__["points"] = fakes.points()
    yield made
    made.close()
