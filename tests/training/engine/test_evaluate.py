from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import TrainingDataError
from tests.training.engine.runs import config, make_photos
from training.data import FolderDataset
from training.engine.evaluate import VerificationSet, evaluate, pair_scores
from training.engine.setup import build
from training.engine.world import world


def test_every_pair_once() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(9, 4)).astype(np.float32)
    labels = np.array([0, 0, 0, 1, 1, 2, 3, 3, 3])
    mated, non_mated = [], []
    for i in range(9):
        for j in range(i + 1, 9):
            score = rows[i] @ rows[j] / np.sqrt((rows[i] @ rows[i]) * (rows[j] @ rows[j]))
            (mated if labels[i] == labels[j] else non_mated).append(score)
    found = pair_scores(rows, labels)
    np.testing.assert_allclose(np.sort(found[0]), np.sort(mated), atol=1e-6)
    np.testing.assert_allclose(np.sort(found[1]), np.sort(non_mated), atol=1e-6)


def test_figures_and_the_mode_of_the_network(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", identities=4, photos=4)
    with world("cpu") as here:
        parts = build(config(tmp_path / "run", photos), here)
        chosen = VerificationSet.of("all", FolderDataset(photos), 100)
        parts.network.train()
        before = {name: value.clone() for name, value in parts.network.state_dict().items()}
        figures = evaluate(parts.stepper, parts.network, chosen)
    assert (figures["mated"], figures["non_mated"]) == (4 * 6, 6 * 16)
    assert 0 <= figures["eer"] < 0.5  # patterns differ even to a random network
    assert set(figures["tar_at_fmr"]) == {"0.1"}  # 96 non-mated pairs say nothing about 1 %
    assert parts.network.training
    assert all(value.equal(before[name]) for name, value in parts.network.state_dict().items())


def test_a_set_is_thinned_evenly_and_must_hold_pairs(tmp_path: Path) -> None:
    dataset = FolderDataset(make_photos(tmp_path / "photos", identities=3, photos=4))
    assert VerificationSet.of("x", dataset, 6).chosen.tolist() == [0, 2, 4, 7, 9, 11]
    with pytest.raises(TrainingDataError, match="evaluation x"):
        VerificationSet.of("x", dataset, 3)
    alone = FolderDataset(make_photos(tmp_path / "alone", identities=1, photos=4))
    with pytest.raises(TrainingDataError, match="two identities"):
        VerificationSet.of("x", alone, 9)
