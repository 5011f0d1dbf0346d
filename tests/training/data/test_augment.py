from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

from tests.training.data.shards import crop
from training.data.augment import NAMES, Sometimes, augmentations, masked

ALL = [name for name in NAMES if name != "flip"]


def drawn(name: str, seed: int) -> np.ndarray:
    return Sometimes(name, 1.0)(face(), np.random.default_rng([7, seed]))


def face() -> np.ndarray:
    """Smooth, with edges: what is done to it can be seen."""
    y, x = np.mgrid[0:112, 0:112]
    rgb = np.stack([x * 2, y * 2, (x + y) % 60 * 4], axis=-1).astype(np.uint8)
    rgb[40:60, 30:50] = 250
    return rgb


@pytest.mark.parametrize("name", ALL)
def test_each_is_a_function_of_crop_and_generator(name: str) -> None:
    before = face()
    first = drawn(name, 0)
    assert first.shape == (112, 112, 3)
    assert first.dtype == np.uint8
    assert (first != before).any()
    [drawn(name, seed) for seed in (3, 1)]  # what came between makes no difference
    np.testing.assert_array_equal(drawn(name, 0), first)
    assert any((drawn(name, seed) != first).any() for seed in range(1, 12))
    image = face()
    Sometimes(name, 1.0)(image, np.random.default_rng(0))
    np.testing.assert_array_equal(image, before)  # the caller's crop is left alone


def test_a_share_of_the_crops_is_changed() -> None:
    change = Sometimes("occlusion", 0.25)
    changed = sum((change(face(), np.random.default_rng([1, n])) != face()).any() for n in range(200))
    assert 30 <= changed <= 70


def test_they_do_what_they_say() -> None:
    plain = face().astype(float)
    detail = np.abs(np.diff(plain, axis=1)).mean()
    for name in ("blur", "downscale"):
        assert np.mean([np.abs(np.diff(drawn(name, n).astype(float), axis=1)).mean() for n in range(8)]) < detail
    mask = masked(face(), np.random.default_rng(3))
    changed = (mask != face()).any(axis=2)
    assert changed[85:105, 45:67].all()  # mouth and chin
    assert not changed[:55].any()  # the eyes
    hidden = [(drawn("occlusion", n) != face()).any(axis=2).mean() for n in range(20)]
    assert 0.005 < np.mean(hidden) < 0.2


def test_only_flipping_is_on_by_default_and_all_can_go_to_a_worker() -> None:
    from training.engine.config import Augment
    from training.engine.setup import build_augmentations

    assert [getattr(one, "__name__", "") for one in build_augmentations(Augment())] == ["flip"]
    assert set(Augment.model_fields) == set(NAMES)
    every = build_augmentations(Augment(**dict.fromkeys(ALL, 0.5)))
    assert [one.name for one in every if isinstance(one, Sometimes)] == ALL
    again = pickle.loads(pickle.dumps(every))  # noqa: S301 - as it goes to a worker
    for ours, other in zip(every, again, strict=True):
        np.testing.assert_array_equal(ours(crop(3), np.random.default_rng(5)), other(crop(3), np.random.default_rng(5)))
    assert augmentations(flipped=False, shares=dict.fromkeys(ALL, 0.0)) == []


def test_albumentations_asks_the_network_nothing() -> None:
    """In a process of its own, in which opening a socket or looking up a name is an error."""
    code = """
import socket, sys
def refuse(*args, **kwargs): sys.exit("a socket was opened")
socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
import numpy as np
from training.data.augment import Sometimes, NAMES
for name in NAMES[1:]:
    Sometimes(name, 1.0)(np.zeros((112, 112, 3), np.uint8), np.random.default_rng(0))
print("albumentations" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "True"
