"""Tiny runs: made-up crops, configurations, and what their logs say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np

from training.engine.config import TrainConfig
from training.engine.report import Report

IDENTITIES, PHOTOS = 6, 8


def make_photos(root: Path, identities: int = IDENTITIES, photos: int = PHOTOS, seed: int = 0) -> Path:
    """A folder per identity: a coarse pattern of its own under noise."""
    random = np.random.default_rng(seed)
    for identity in range(identities):
        pattern = random.integers(0, 256, (7, 7, 3), dtype=np.uint8)
        folder = root / f"person{identity}"
        folder.mkdir(parents=True)
        for number in range(photos):
            large = cv2.resize(pattern, (112, 112), interpolation=cv2.INTER_NEAREST).astype(np.int16)
            noisy = np.clip(large + random.normal(0, 40, large.shape), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"{number:03d}.png"), noisy)
    return root


def document(run: Path, photos: Path, **changes: Any) -> dict[str, Any]:
    """A configuration of a few quick steps: 3 epochs of 6."""
    base: dict[str, Any] = {
        "run": str(run),
        "epochs": 3,
        "batch": 8,
        "threads": 1,
        "device": "cpu",
        "save_every_steps": 4,
        "log_every_steps": 1,
        "tensorboard": False,
        "data": {"path": str(photos), "workers": 0},
        "backbone": {"name": "iresnet18", "width": 0.05, "dimension": 16},
        "margin": {"name": "cosface", "margin": 0.2, "scale": 16.0},
        "head": {"kind": "dense"},
        "optimiser": {"lr": 0.02},
    }
    for key, value in changes.items():
        base[key] = {**base[key], **value} if isinstance(value, dict) and key in base else value
    return base


def config(run: Path, photos: Path, **changes: Any) -> TrainConfig:
    return TrainConfig.of(document(run, photos, **changes), "test")


def entries(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def losses(run: Path) -> dict[int, float]:
    """Loss by step, to the last bit: JSON keeps every digit of a float."""
    return {entry["step"]: entry["loss"] for entry in entries(run) if "loss" in entry}


class StoppedError(Exception):
    """The power went off."""


@contextmanager
def stopping_at(step: int) -> Iterator[None]:
    """The process ends after so many steps, before anything else is saved."""
    report = Report.step

    def stop(self: Report, done: int, *rest: Any) -> None:
        report(self, done, *rest)
        if done == step:
            raise StoppedError

    with mock.patch.object(Report, "step", stop):
        yield
