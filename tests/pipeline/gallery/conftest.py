from __future__ import annotations

import pytest
from gallery_samples import DIMENSION, MODEL

from pipeline.gallery.gallery import Gallery


@pytest.fixture
def gallery(tmp_path):
    with Gallery.open(tmp_path / "gallery", MODEL, DIMENSION) as opened:
        yield opened


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def location(request):
    """Where a new gallery can be made: a folder, and a database on a server."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("tmp_path") / "a b/gällery")
    return request.getfixturevalue("database")
