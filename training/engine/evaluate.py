"""Error rates on a verification set while training: every pair of its crops, through pipeline.metrics."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.errors import TrainingDataError
from pipeline.metrics import equal_error_rate, match_rate, threshold_at_fmr
from pipeline.types import F32, F64
from training.backbones import Backbone
from training.data import FaceDataset
from training.data.dataset import I64
from training.engine.step import Stepper

_FMRS = (1e-1, 1e-2, 1e-3, 1e-4)
_BATCH = 64


@dataclass(frozen=True, slots=True)
class VerificationSet:
    """Crops of people who were not trained on.

    Attributes:
        name: What to call it.
        dataset: The crops.
        chosen: (n,) which of them are compared.
    """

    name: str
    dataset: FaceDataset
    chosen: I64

    @classmethod
    def of(cls, name: str, dataset: FaceDataset, photos: int) -> VerificationSet:
        """At most so many photos, evenly chosen.

        Raises:
            TrainingDataError: They form no mated or no non-mated pair.
        """
        chosen = np.unique(np.linspace(0, len(dataset) - 1, min(photos, len(dataset))).round().astype(np.int64))
        counts = np.bincount(dataset.labels[chosen])
        if counts.max() < 2 or (counts > 0).sum() < 2:
            raise TrainingDataError(f"evaluation {name}: needs two identities, and two photos of one of them")
        return cls(name, dataset, chosen)


def evaluate(stepper: Stepper, network: Backbone, chosen: VerificationSet) -> dict[str, Any]:
    """Error rates of a network in evaluation mode; it is put back into the mode it was in. Called by all ranks.

    Returns:
        `mated`, `non_mated` (counts), `eer`, and `tar_at_fmr` (rate by false match rate, where there are enough pairs).
    """
    was_training = network.training
    network.eval()
    try:
        embeddings = _embed(stepper, network, chosen, network.dimension)
    finally:
        network.train(was_training)
    mated, non_mated = pair_scores(embeddings, chosen.dataset.labels[chosen.chosen])
    rates = {
        f"{fmr:g}": match_rate(mated, threshold_at_fmr(non_mated, fmr)) for fmr in _FMRS if fmr * len(non_mated) >= 1
    }
    return {
        "mated": len(mated),
        "non_mated": len(non_mated),
        "eer": equal_error_rate(mated, non_mated),
        "tar_at_fmr": rates,
    }


def pair_scores(embeddings: F32, labels: I64) -> tuple[F64, F64]:
    """Cosine similarity of every pair once: mated and non-mated.

    Args:
        embeddings: (n, D), of any length but zero.
        labels: (n,) who they are.
    """
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    first, second = np.triu_indices(len(unit), k=1)
    scores = (unit @ unit.T)[first, second].astype(np.float64)
    mated = labels[first] == labels[second]
    return scores[mated], scores[~mated]


def _embed(stepper: Stepper, network: nn.Module, chosen: VerificationSet, dimension: int) -> F32:
    """(n, D): each rank embeds its share, and all get everything."""
    world = stepper.world
    mine = range(world.rank, len(chosen.chosen), world.size)
    found = torch.zeros(len(chosen.chosen), dimension, device=world.device)
    with ThreadPoolExecutor(4) as pool, torch.no_grad():
        for start in range(0, len(mine), _BATCH):
            rows = list(mine[start : start + _BATCH])
            crops = list(pool.map(chosen.dataset.read, chosen.chosen[rows].tolist()))
            photos = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
            with stepper.autocast():
                out = network(stepper.normalised(photos)).float()
            found[rows] = out
    rows_of_all: F32 = world.sum(found).cpu().numpy()
    return rows_of_all
