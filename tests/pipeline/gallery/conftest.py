from __future__ import annotations

import pytest
from gallery_samples import DIMENSION, MODEL

from pipeline.gallery.gallery import Gallery


@pytest.fixture
def gallery(tmp_path):
    with Gallery.open(tmp_path / "gallery", MODEL, DIMENSION) as opened:
        yield opened
