"""Which sample is seen when: a function of the seed, the epoch and the step, and of nothing else.

Neither the number of ranks, nor of micro-batches, nor of workers changes the samples of a global batch, and a run can
go on from any step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from training.data.dataset import I64


@dataclass(frozen=True, slots=True)
class Plan:
    """The order of a whole run.

    Attributes:
        samples: N; each epoch sees a new permutation of them, but for the rest that fills no batch.
        batch: Samples of a global batch: of one optimiser step, over all ranks and micro-batches.
        seed: Of the run.
        epochs: How many.
    """

    samples: int
    batch: int
    seed: int
    epochs: int

    @property
    def steps_per_epoch(self) -> int:
        """Whole global batches in an epoch."""
        return self.samples // self.batch

    @property
    def steps(self) -> int:
        """Of the run."""
        return self.steps_per_epoch * self.epochs

    def epoch(self, number: int) -> I64:
        """(N,) the order of an epoch."""
        return np.random.default_rng([self.seed, number]).permutation(self.samples)

    def batches(self, first_step: int = 0, last_step: int | None = None) -> Iterator[tuple[int, I64]]:
        """Epoch and (batch,) samples of each global batch, from `first_step` to before `last_step` (None: the end)."""
        stop = self.steps if last_step is None else min(last_step, self.steps)
        order, current = np.zeros(0, np.int64), -1
        for step in range(first_step, stop):
            epoch, position = divmod(step, self.steps_per_epoch)
            if epoch != current:
                order, current = self.epoch(epoch), epoch
            yield epoch, order[position * self.batch : (position + 1) * self.batch]
