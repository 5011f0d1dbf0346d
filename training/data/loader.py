"""Batches of a rank, read and augmented by worker processes.

The random numbers of a sample's augmentation are drawn from the seed, the epoch and the sample's number: which worker
reads it, and when, makes no difference.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.errors import TrainingError
from pipeline.types import Image
from training.data.augment import Augmentation
from training.data.dataset import FaceDataset
from training.data.order import Plan

Key = tuple[int, int]


class Batches:
    """The micro-batches of one rank, step after step.

    Args:
        dataset: The photos.
        plan: Their order.
        rank: Of this process.
        ranks: How many share a global batch.
        accumulate: Micro-batches of a rank in a step.
        augmentations: Applied to each crop one after the other.
        workers: Processes that read; 0 reads in this one.
        pin: Put batches where a GPU can fetch them by itself.
    """

    def __init__(
        self,
        dataset: FaceDataset,
        plan: Plan,
        *,
        rank: int = 0,
        ranks: int = 1,
        accumulate: int = 1,
        augmentations: Sequence[Augmentation] = (),
        workers: int = 0,
        pin: bool = False,
    ) -> None:
        if plan.batch % (ranks * accumulate):
            raise ValueError(f"a batch of {plan.batch} is not divisible by {ranks} ranks x {accumulate} micro-batches")
        self.plan, self.rank, self.ranks, self.accumulate = plan, rank, ranks, accumulate
        self._crops = _Crops(dataset, plan.seed, tuple(augmentations))
        self._workers, self._pin = workers, pin

    def starting(self, step: int) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """For each step from `step` on, its micro-batches: (b, 3, 112, 112) uint8 RGB and (b,) int64 labels."""
        loader: DataLoader[Any] = DataLoader(
            self._crops,
            batch_sampler=_Keys(self, step),
            collate_fn=_collate,
            num_workers=self._workers,
            pin_memory=self._pin,
            worker_init_fn=_start_worker,
            multiprocessing_context=_context() if self._workers else None,
            generator=torch.Generator(),  # torch's own generator belongs to the model
        )
        micro = []
        for batch in loader:
            micro.append(batch)
            if len(micro) == self.accumulate:
                yield micro
                micro = []

    def keys(self, step: int) -> Iterator[list[Key]]:
        """Epoch and number of each sample, a list per micro-batch of this rank."""
        size = self.plan.batch // (self.ranks * self.accumulate)
        for epoch, samples in self.plan.batches(step):
            for micro in range(self.accumulate):
                start = (micro * self.ranks + self.rank) * size
                yield [(epoch, int(sample)) for sample in samples[start : start + size]]


@contextmanager
def worker_deaths_named() -> Iterator[None]:
    """Says in a named error that a process which reads photos died; torch raises a bare one, wherever the trainer is.

    Raises:
        TrainingError: It did: it was killed, or crashed.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        said = " ".join(str(error).split())
        raise TrainingError(
            f"a process that reads photos died ({said.split('. ')[0].rstrip('.')}): most often memory ran out; take "
            "fewer `workers` under [data], or 0, and go on with --resume"
        ) from error


class _Keys:
    def __init__(self, batches: Batches, step: int) -> None:
        self._batches, self._step = batches, step

    def __iter__(self) -> Iterator[list[Key]]:
        return self._batches.keys(self._step)


class _Crops(Dataset[tuple[np.ndarray, int]]):
    def __init__(self, dataset: FaceDataset, seed: int, augmentations: tuple[Augmentation, ...]) -> None:
        self._dataset, self._seed, self._augmentations = dataset, seed, augmentations

    def __getitem__(self, key: Key) -> tuple[Any, int]:
        return augmented(self._dataset, key, self._seed, self._augmentations), int(self._dataset.labels[key[1]])


def augmented(dataset: FaceDataset, key: Key, seed: int, augmentations: Sequence[Augmentation]) -> Image:
    """A crop as it is seen in an epoch: (112, 112, 3) uint8 RGB."""
    epoch, index = key
    image = dataset.read(index)
    random = np.random.default_rng([seed, epoch, index])
    for augmentation in augmentations:
        image = augmentation(image, random)
    return image


def _collate(samples: list[tuple[Any, int]]) -> tuple[Tensor, Tensor]:
    images = torch.from_numpy(np.stack([image for image, _ in samples]))
    return images.permute(0, 3, 1, 2), torch.tensor([label for _, label in samples])


def _start_worker(_number: int) -> None:
    cv2.setNumThreads(0)
    threading.Thread(target=_end_with_trainer, daemon=True).start()


def _end_with_trainer() -> None:
    """Ends a worker whose trainer is gone, however it ended: torch watches the parent, here the fork server."""
    trainer = multiprocessing.parent_process()
    if trainer is not None:
        trainer.join()
        os._exit(1)


def _context() -> str:
    """Workers are started clean: a forked copy of a process with threads may hang."""
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
