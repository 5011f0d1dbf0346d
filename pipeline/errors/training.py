"""Training: its photos, its checkpoints, and a loss that is lost."""

from __future__ import annotations

from pipeline.errors.base import KnownfaceError


class TrainingError(KnownfaceError):
    """Something about training."""

    code = "training_error"


class TrainingDataError(TrainingError):
    """The training photos, or a file that holds them, cannot be used."""

    code = "training_data"


class CheckpointError(TrainingError):
    """A checkpoint or a file of weights is missing, damaged, or of another network."""

    code = "checkpoint_invalid"


class DivergedError(TrainingError):
    """The loss or the gradients are no longer finite numbers."""

    code = "diverged"
