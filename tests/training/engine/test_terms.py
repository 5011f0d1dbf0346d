from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.errors import ConfigError
from tests.training.engine.runs import config, make_photos
from training.engine.setup import build
from training.engine.world import world


def test_terms_are_added_and_learn(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")
    terms = [{"name": "ring", "weight": 0.5, "radius": 3.0}, {"name": "centre", "weight": 0.1}]
    with world("cpu") as here:
        plain = build(config(tmp_path / "a", photos), here)
        more = build(config(tmp_path / "b", photos, terms=terms), here)
        micro = next(more.batches.starting(0))
        with torch.no_grad():
            embeddings = more.network(more.stepper.normalised(micro[0][0]))
            expected = plain.head(embeddings, micro[0][1])
            expected += 0.25 * (embeddings.norm(dim=1) - 3).square().mean()
            expected += 0.05 * embeddings.square().sum(1).mean()  # the centres begin at the origin
        more = build(config(tmp_path / "b", photos, terms=terms), here)
        result = more.stepper(micro, step=0, rate=0.1)
        assert result.loss == pytest.approx(float(expected), rel=1e-4)
        assert float(more.terms[0].radius.detach()) != 3.0  # type: ignore[arg-type]
        assert float(more.terms[1].centres.abs().sum()) > 0  # type: ignore[union-attr, operator]


def test_what_is_no_term_is_named(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")
    with world("cpu") as here:
        with pytest.raises(ConfigError, match=r"no term 'disc'.*ring"):
            build(config(tmp_path / "a", photos, terms=[{"name": "disc"}]), here)
        with pytest.raises(ConfigError, match="term ring"):
            build(config(tmp_path / "a", photos, terms=[{"name": "ring", "size": 3}]), here)
