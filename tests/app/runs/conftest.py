"""Runs with made faces, and services that know coloured bars."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.services import Services
from pipeline.config import Settings
from pipeline.gallery import Gallery
from tests import fakes


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Coloured bars for faces, and an empty gallery of its own."""
    made = Services(Settings(home=tmp_path / "home", workers=2))
    made._recognizer = fakes.fake_recognizer()
    made._gallery = Gallery.open(tmp_path / "gallery", fakes.MODEL_ID, fakes.DIMENSION)
    made.__dict__["points"] = fakes.points()
    yield made
    made.close()
