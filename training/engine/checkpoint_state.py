"""What a checkpoint says of itself, and whether it may be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from pipeline.errors import CheckpointError
from pipeline.weights.files import sha256_of
from training.engine.config import TrainConfig

FORMAT = 1
#: What a file may say of ranks and shards; far more than there are, and few enough to be counted.
_MOST_RANKS = 1 << 16
#: What may be changed between two stretches of a run, since it does not change what is computed (but for rounding).
_FREE = {"run", "device", "threads", "save_every_steps", "log_every_steps", "tensorboard", "evaluation", "compile"}


class Progress(BaseModel):
    """How far a run has come.

    Attributes:
        step: Steps that are done.
        best_error: Lowest equal error rate on the first verification set; None before the first.
        best_step: Where that was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = Field(default=0, ge=0)
    best_error: float | None = Field(default=None, ge=0, le=1)
    best_step: int | None = Field(default=None, ge=0)


class State(BaseModel):
    """`state.json`; what each file of it holds is in `checkpoint`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    torch: str
    progress: Progress
    ranks: int = Field(ge=1, le=_MOST_RANKS)
    head_shards: int = Field(ge=1, le=_MOST_RANKS)
    scaler: dict[str, int | FiniteFloat]
    data_hash: str
    config: dict[str, Any]
    sha256: dict[str, str]


def shard_file(number: str, shards: int) -> str:
    """Name of the file of a rank's classes."""
    return f"head-{number}-of-{shards:04d}.safetensors"


def random_file(rank: int) -> str:
    """Name of the file of a rank's random generators."""
    return f"rng-{rank:04d}.safetensors"


def check_same(state: State, config: TrainConfig, data_hash: str, folder: Path) -> None:
    """Whether it is of a run with this configuration and these photos.

    Raises:
        CheckpointError: It is not.
    """
    if state.data_hash != data_hash:
        raise CheckpointError(f"{folder}: was made with other photos than {config.data.path} now holds")
    now = config.model_dump(mode="json")
    for key, value in state.config.items():
        if key not in _FREE and key != "data" and now.get(key) != value:
            raise CheckpointError(f"{folder}: was made with {key} = {value}, not {now.get(key)}; put it back to resume")


def check_files(state: State, config: TrainConfig, folder: Path, rank: int) -> None:
    """Whether the files that this rank reads are there and whole.

    Raises:
        CheckpointError: They are not.
    """
    check_names(state, config, folder)
    for name, sha256 in state.sha256.items():
        if not name.startswith("rng-") or name == random_file(rank):
            check_file(folder / name, sha256)


def check_names(state: State, config: TrainConfig, folder: Path) -> None:
    """Whether the state names the files that a run so configured writes, and no other.

    Raises:
        CheckpointError: It does not.
    """
    expected = {"model.safetensors", "optimiser.safetensors", *map(random_file, range(state.ranks))}
    expected |= {shard_file(f"{shard:04d}", state.head_shards) for shard in range(state.head_shards)}
    expected |= {"average.safetensors"} if config.ema else set()
    expected |= {"terms.safetensors"} if config.terms else set()
    if wrong := sorted(expected ^ state.sha256.keys()):
        fault = "lacks the SHA-256 of" if wrong[0] in expected else "names a file that is no part of it:"
        raise CheckpointError(f"{folder / 'state.json'}: is damaged: it {fault} {wrong[0]}")


def check_file(file: Path, sha256: str) -> None:
    """Whether a file is there and whole.

    Raises:
        CheckpointError: It is not.
    """
    if not file.is_file():
        raise CheckpointError(f"{file}: is missing from the checkpoint")
    if sha256_of(file) != sha256:
        raise CheckpointError(f"{file}: is damaged: it does not have the SHA-256 of its state.json")


def read_state(folder: Path) -> State:
    """Reads `state.json`.

    Raises:
        CheckpointError: It cannot be read, or is of another version.
    """
    try:
        state = State.model_validate_json((folder / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValidationError, ValueError) as error:
        raise CheckpointError(f"{folder / 'state.json'}: cannot be read as the state of a run") from error
    if state.format != FORMAT:
        raise CheckpointError(f"{folder}: has format {state.format}; this version reads format {FORMAT}")
    return state
