"""What a run will take, before it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.engine.runs import IDENTITIES, config, make_photos
from training.engine.dry_run import dry_run


def test_a_tiled_head_needs_one_tile(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")
    found = dry_run(config(tmp_path / "run", photos, head={"kind": "tiled"}, batch=16, accumulate=2))
    vectors, rows = (
        IDENTITIES * 16,
        IDENTITIES * 8,
    )  # of 16 numbers; micro-batches of 8; one tile holds all
    assert found["memory_mb"]["head"] == pytest.approx(4 * (vectors + 4 * rows) / 2**20)
