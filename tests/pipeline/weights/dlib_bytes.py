"""Writes small networks the way dlib does, and runs them slowly: what the reader is held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def integer(value: int) -> bytes:
    body = abs(value).to_bytes(max(1, (abs(value).bit_length() + 7) // 8), "little")
    return bytes([len(body) | (0x80 if value < 0 else 0)]) + body


def real(value: float) -> bytes:
    mantissa, exponent = np.frexp(value)
    return integer(int(mantissa * 2**24)) + integer(int(exponent) - 24)


def text(value: str) -> bytes:
    return integer(len(value)) + value.encode()


def sizes(*shape: int) -> bytes:
    return b"".join(integer(side) for side in shape)


def tensor(values: np.ndarray, *shape: int) -> bytes:
    return integer(2) + sizes(*shape) + values.astype("<f4").tobytes()


NOTHING = tensor(np.zeros(0), 0, 0, 0, 0)
REALS = real(1.0) * 3 + real(0.0)


class Network:
    """A residual network: a stem, one block that keeps the size, one that halves it, the mean over what is left, and
    a dense layer."""

    def __init__(self, seed: int = 1, input_hw: tuple[int, int] = (21, 26)) -> None:
        self.rng = np.random.default_rng(seed)
        self.input_hw = input_hw
        self.mean = (120.5, 110.25, 100.0)
        self.stem = [self.conv(4, 3, 3), self.affine(4)]
        self.block = [self.conv(4, 4, 3), self.affine(4), self.conv(4, 4, 3), self.affine(4)]
        self.down = [self.conv(6, 4, 3), self.affine(6), self.conv(6, 6, 3), self.affine(6)]
        self.dense = self.rng.normal(size=(6, 5)).astype(np.float32)

    def conv(self, out: int, into: int, side: int) -> tuple[np.ndarray, np.ndarray]:
        weights = self.rng.normal(size=(out, into, side, side)).astype(np.float32) / 4
        return weights, self.rng.normal(size=out).astype(np.float32)

    def affine(self, channels: int) -> tuple[np.ndarray, np.ndarray]:
        return tuple(self.rng.normal(size=(2, channels)).astype(np.float32))

    def bytes(self) -> bytes:
        relu, add = text("relu_"), text("add_prev_")
        mean_2 = text("avg_pool_2") + sizes(2, 2, 2, 2, 0, 0)
        layers: list[bytes | int] = [
            *_conv(self.stem, 2, 0),
            relu,
            text("max_pool_2") + sizes(3, 3, 2, 2, 0, 0),
            1,
            *_conv(self.block[:2], 1, 1),
            relu,
            *_conv(self.block[2:], 1, 1),
            add,
            relu,
            1,
            *_conv(self.down[:2], 2, 0),
            relu,
            *_conv(self.down[2:], 1, 1),
            1,
            1,
            mean_2,
            add,
            relu,
            text("avg_pool_2") + sizes(0, 0, 1, 1, 0, 0),
            text("fc_2") + sizes(5, 6) + tensor(self.dense, 6, 5, 1, 1) + _shape(6, 5, 1, 1) + _shape(0, 0, 0, 0)
            + integer(1) + REALS,
        ]  # fmt: skip
        versions = [1 if layer == 1 else 2 for layer in layers]
        versions[0] = 3
        out = integer(1) + text("loss_metric_2") + real(0.04) + real(0.6) + sizes(*versions[::-1])
        out += text("input_rgb_image_sized") + b"".join(real(v) for v in self.mean) + sizes(*self.input_hw)
        state = b"110" + NOTHING * 3
        contents = [layer for layer in layers if isinstance(layer, bytes)]
        return out + contents[0] + state + integer(1) + b"".join(layer + state for layer in contents[1:])

    def run(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3) in, (5,) out, one value after the other."""
        x = ((picture.astype(np.float64) - self.mean) / 256).transpose(2, 0, 1)
        x = np.maximum(_affine(_correlate(x, *self.stem[0], 2, 0), *self.stem[1]), 0)
        x = _pool(x, 3, 2, np.max)
        y = np.maximum(_affine(_correlate(x, *self.block[0], 1, 1), *self.block[1]), 0)
        y = _affine(_correlate(y, *self.block[2], 1, 1), *self.block[3])
        x = np.maximum(_sum(x, y), 0)
        y = np.maximum(_affine(_correlate(x, *self.down[0], 2, 0), *self.down[1]), 0)
        y = _affine(_correlate(y, *self.down[2], 1, 1), *self.down[3])
        x = np.maximum(_sum(_pool(x, 2, 2, np.mean), y), 0)
        return np.array(x.mean(axis=(1, 2)) @ self.dense)


def _shape(*shape: int) -> bytes:
    return integer(1) + sizes(*shape)


def _conv(parts: Sequence[tuple[np.ndarray, np.ndarray]], stride: int, padding: int) -> tuple[bytes, bytes]:
    (weights, bias), (gamma, beta) = parts
    out, into, side, _ = weights.shape
    values = np.concatenate([weights.ravel(), bias])
    conv = text("con_4") + tensor(values, len(values), 1, 1, 1)
    conv += sizes(out, side, side, stride, stride, padding, padding)
    conv += _shape(out, into, side, side) + _shape(1, out, 1, 1) + REALS
    both = tensor(np.concatenate([gamma, beta]), 2 * out, 1, 1, 1)
    return conv, text("affine_") + both + _shape(1, out, 1, 1) * 2 + integer(0)


def _correlate(x: np.ndarray, weights: np.ndarray, bias: np.ndarray, stride: int, padding: int) -> np.ndarray:
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    side = weights.shape[2]
    height, width = ((s - side) // stride + 1 for s in x.shape[1:])
    out = np.zeros((len(weights), height, width))
    for channel, i, j in np.ndindex(out.shape):
        seen = x[:, i * stride : i * stride + side, j * stride : j * stride + side]
        out[channel, i, j] = (seen * weights[channel]).sum() + bias[channel]
    return out


def _affine(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return x * gamma[:, None, None] + beta[:, None, None]


def _pool(x: np.ndarray, side: int, stride: int, what: Any) -> np.ndarray:
    height, width = ((s - side) // stride + 1 for s in x.shape[1:])
    out = np.zeros((len(x), height, width))
    for channel, i, j in np.ndindex(out.shape):
        out[channel, i, j] = what(x[channel, i * stride : i * stride + side, j * stride : j * stride + side])
    return out


def _sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    out = np.zeros(np.maximum(a.shape, b.shape))
    for part in (a, b):
        out[: part.shape[0], : part.shape[1], : part.shape[2]] += part
    return out
