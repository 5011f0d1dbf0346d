from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pipeline.errors import TrainingError
from pipeline.types import Image
from tests.conftest import REPOSITORY
from tests.training.data.shards import example, framed, packed, tf_frame
from tests.training.engine.runs import make_photos
from training.data import FolderDataset, Plan, open_dataset
from training.data.augment import flip
from training.data.clean import cleaned
from training.data.dataset import I64
from training.data.loader import Batches, Key, worker_deaths_named


class Numbered:
    """Crop number i is filled with i, and its right half with i + 100."""

    identities: Sequence[str] = ("even", "odd")

    def __init__(self, count: int) -> None:
        self.labels: I64 = np.arange(count) % 2

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, index: int) -> np.ndarray:
        crop = np.full((112, 112, 3), index, np.uint8)
        crop[:, 56:] += 100
        return crop

    def encoded(self, index: int) -> bytes:
        return cv2.imencode(".png", self.read(index))[1].tobytes()

    def name(self, index: int) -> str:
        return str(index)


PLAN = Plan(24, 8, 5, 2)


def test_ranks_and_micro_batches_share_a_global_batch() -> None:
    whole = [list(micro) for micro in Batches(Numbered(24), PLAN).keys(0)]
    for ranks, accumulate in ((2, 1), (1, 4), (2, 2)):
        shares: list[list[list[Key]]] = [
            list(Batches(Numbered(24), PLAN, rank=r, ranks=ranks, accumulate=accumulate).keys(0)) for r in range(ranks)
        ]
        for step, expected in enumerate(whole):
            parts = [shares[rank][step * accumulate + micro] for micro in range(accumulate) for rank in range(ranks)]
            assert [key for part in parts for key in part] == expected
    with pytest.raises(ValueError, match="not divisible"):
        Batches(Numbered(24), PLAN, ranks=3)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_do_not_depend_on_where_they_begin_or_who_reads(workers: int, tmp_path: Path) -> None:
    dataset = FolderDataset(make_photos(tmp_path, identities=4, photos=4))
    plan = Plan(16, 4, 1, 2)
    reference = list(Batches(dataset, plan, augmentations=[flip]).starting(0))
    before = torch.get_rng_state()
    found = list(Batches(dataset, plan, augmentations=[flip], workers=workers).starting(3))
    assert torch.get_rng_state().equal(before)  # it belongs to the model
    assert len(found) == plan.steps - 3 == 5
    for ours, expected in zip(found, reference[3:], strict=True):
        for (photos, labels), (others, other_labels) in zip(ours, expected, strict=True):
            assert photos.shape == (4, 3, 112, 112)
            assert photos.dtype == torch.uint8
            assert photos.equal(others)
            assert labels.equal(other_labels)


def test_flips_are_drawn_per_sample_and_epoch() -> None:
    seen: dict[int, set[bool]] = {}
    plan = Plan(24, 8, 5, 12)
    for micro in Batches(Numbered(24), plan, augmentations=[flip]).starting(0):
        for photo, label in zip(*micro[0], strict=True):
            left, right = int(photo[0, 0, 0]), int(photo[0, 0, -1])
            assert abs(left - right) == 100
            assert min(left, right) % 2 == int(label)
            seen.setdefault(min(left, right), set()).add(left > right)
    assert sum(len(ways) == 2 for ways in seen.values()) >= 20  # of 24: twelve tosses rarely fall alike


def test_any_set_gives_the_batches_of_the_folder_it_was_made_of_from_the_middle_of_an_epoch_too(tmp_path: Path) -> None:
    folder = FolderDataset(make_photos(tmp_path / "folder", identities=3, photos=4))
    with (tmp_path / "a.tfrecord").open("wb") as tf, (tmp_path / "a.rec").open("wb") as rec:
        for index in range(12):
            data, label = folder.encoded(index), int(folder.labels[index])
            tf.write(tf_frame(example({"image": data, "label": label})))
            rec.write(framed(packed([label], data, index)))
    list(cleaned(folder, set(), tmp_path / "tar", shard=5))
    plan = Plan(12, 4, 9, 2)  # three steps in an epoch: step 1 and step 4 are in the middle of one
    expected = list(Batches(folder, plan, augmentations=[flip]).starting(0))
    for place in ("a.tfrecord", "a.rec", "tar"):
        found = open_dataset(tmp_path / place)
        for first in (0, 1, 4):
            batches = list(Batches(found, plan, augmentations=[flip]).starting(first))
            assert len(batches) == 6 - first
            for ours, theirs in zip(batches, expected[first:], strict=True):
                assert ours[0][0].equal(theirs[0][0])
                assert ours[0][1].equal(theirs[0][1])


TRAINER = """
import signal
from tests.training.data.test_loader import PLAN, Numbered
from training.data.loader import Batches

if __name__ == "__main__":
    steps = Batches(Numbered(24), PLAN, workers=2).starting(0)
    next(steps)
    print("begun", flush=True)
    signal.pause()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and process groups")
def test_workers_end_with_a_trainer_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "trainer.py"
    script.write_text(TRAINER, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    trainer = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, env=environment, start_new_session=True
    )
    assert trainer.stdout is not None
    try:
        assert trainer.stdout.readline() == b"begun\n"
        trainer.kill()
        # Workers and their fork server hold the same pipe: it ends when the last of them is gone.
        assert trainer.communicate(timeout=180)[0] == b""
    finally:
        if trainer.returncode is None:
            os.killpg(trainer.pid, signal.SIGKILL)
            trainer.communicate()


class Deadly(Numbered):
    """A dataset whose reader is killed, as by a system that runs out of memory."""

    def read(self, index: int) -> Image:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().read(index)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_worker_that_is_killed_is_one_clear_error() -> None:
    with pytest.raises(TrainingError) as caught, worker_deaths_named():
        next(Batches(Deadly(24), PLAN, workers=1).starting(0))
    message = caught.value.message
    assert message.startswith("a process that reads photos died (DataLoader worker (pid")
    assert "`workers` under [data]" in message
    assert "\n" not in message


def test_other_errors_keep_their_own_words() -> None:
    with pytest.raises(RuntimeError, match="CUDA out of memory"), worker_deaths_named():
        raise RuntimeError("CUDA out of memory")
