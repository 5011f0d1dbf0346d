"""Reads a network that dlib has saved (`.dat`): its layers in the order in which they run.

dlib's serialisation: an integer is a byte with its sign (0x80) and length, then that many bytes, least significant
first; a real number is an integer mantissa and a binary exponent; text is a length and its bytes; a boolean is the
digit 0 or 1; a tensor is its four sizes and raw float32. A network comes from the outside in, a version number per
layer, down to the input; then from the inside out, what each layer holds. A tag and a skip leave nothing but their
version number, 1: after a layer a first one marks the start of a residual block, a second one the end of its main
branch, and a third, right behind it, goes back to the start for the shortcut.

The file may come from anybody: every number is checked, nothing is allocated beyond what the file holds, and nothing in
it is run. Known are the layers of residual networks for faces (King, "High Quality Face Recognition with Deep Metric
Learning", 2017; He et al., ResNet, CVPR 2016, arXiv:1512.03385).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from pipeline.errors import FetchError
from pipeline.types import F32

_MAX_LAYERS, _MAX_TEXT, _MAX_SIDE, _MAX_WINDOW, _MAX_CHANNELS = 1000, 64, 1024, 31, 4096
_SIGN = 0x80
_MARK, _LAYER, _FIRST_LAYER = 1, 2, 3  # versions that dlib writes for tags and skips, layers, and the innermost layer


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """Cross-correlation with `weights` (out, in, height, width) plus `bias` (out,), float32; pixels are (y, x)."""

    weights: F32
    bias: F32
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """Per channel x·gamma + beta, each (channels,) float32: batch normalisation with its statistics folded in."""

    gamma: F32
    beta: F32


@dataclass(frozen=True, slots=True)
class Relu:
    """max(x, 0)."""


@dataclass(frozen=True, slots=True)
class Pool:
    """`max` or `mean` over windows that lie within the picture; a window of (0, 0) is the whole picture."""

    kind: str
    window: tuple[int, int]
    stride: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Add:
    """Sum of two inputs; the smaller one is filled up with zeros, in channels and at the lower right."""


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """x · weights, (in, out) float32, without a bias."""

    weights: F32


Layer = Convolution | Affine | Relu | Pool | Add | Dense


@dataclass(frozen=True, slots=True, eq=False)
class DlibNetwork:
    """A network for RGB pictures.

    Attributes:
        mean: Subtracted from red, green and blue (0..255); then everything is divided by 256.
        input_hw: Height and width of a picture in pixels.
        layers: Each layer and the numbers of the layers it reads (-1: the picture), in the order in which they run.
    """

    mean: tuple[float, float, float]
    input_hw: tuple[int, int]
    layers: tuple[tuple[Layer, tuple[int, ...]], ...]


def read_dlib(data: bytes, name: str) -> DlibNetwork:
    """Reads a saved network.

    Args:
        data: The bytes of the file.
        name: What the file is called, for errors.

    Raises:
        FetchError: It is no such network; says at which byte and why.
    """
    cursor = _Cursor(data, name)
    versions = _head(cursor)
    mean, input_hw = _input(cursor)
    layers: list[tuple[Layer, tuple[int, ...]]] = []
    last, marks = -1, list[int]()
    for index, version in enumerate(versions):
        if version == _MARK:
            if len(marks) == 2 and versions[index - 1] == _MARK:  # the skip
                last = marks[0]
            elif len(marks) < 2:
                marks.append(last)
            else:
                cursor.fail("a tag or skip that no known network has")
            continue
        layer = _layer(cursor)
        sources: tuple[int, ...] = (last,)
        if isinstance(layer, Add):
            if not marks:
                cursor.fail("a layer that adds, but no tag for it")
            sources, marks = (last, marks[-1]), []
        last = len(layers)
        layers.append((layer, sources))
        _state(cursor, innermost=version == _FIRST_LAYER)
    if marks or cursor.position != len(data):
        cursor.fail("more than a network has")
    return DlibNetwork(mean, input_hw, tuple(layers))


def _head(cursor: _Cursor) -> list[int]:
    """Versions of the layers, innermost first; before them stand those of the loss and its two numbers."""
    cursor.integer(1, 1, "version of the loss")
    cursor.text("loss_metric_2")
    for _ in range(2):
        cursor.real()
    versions = [_LAYER]
    while versions[-1] != _FIRST_LAYER:
        if len(versions) > _MAX_LAYERS:
            cursor.fail(f"more than {_MAX_LAYERS} layers")
        versions.append(cursor.integer(_MARK, _FIRST_LAYER, "version of a layer"))
    return versions[:0:-1]


def _input(cursor: _Cursor) -> tuple[tuple[float, float, float], tuple[int, int]]:
    cursor.text("input_rgb_image_sized")
    mean = (cursor.real(), cursor.real(), cursor.real())
    return mean, (cursor.integer(1, _MAX_SIDE, "height"), cursor.integer(1, _MAX_SIDE, "width"))


def _state(cursor: _Cursor, *, innermost: bool) -> None:
    """What dlib needs to go on training; the values do not matter."""
    for _ in range(3):
        cursor.boolean()
    for _ in range(3):
        cursor.tensor()
    if innermost:
        cursor.integer(0, 1 << 16, "pictures per sample")


def _layer(cursor: _Cursor) -> Layer:
    kind = cursor.text("con_4", "affine_", "relu_", "add_prev_", "max_pool_2", "avg_pool_2", "fc_2")
    match kind:
        case "con_4":
            return _convolution(cursor)
        case "affine_":
            return _affine(cursor)
        case "relu_":
            return Relu()
        case "add_prev_":
            return Add()
        case "fc_2":
            return _dense(cursor)
        case _:
            return _pool(cursor, "max" if kind == "max_pool_2" else "mean")


def _convolution(cursor: _Cursor) -> Convolution:
    values = cursor.tensor().ravel()
    cursor.integer(1, _MAX_CHANNELS, "number of filters")
    cursor.pair(1, _MAX_WINDOW, "window")
    stride, padding = cursor.pair(1, _MAX_WINDOW, "stride"), cursor.pair(0, _MAX_WINDOW, "padding")
    filters, biases = cursor.shape(), cursor.shape()
    for _ in range(4):
        cursor.real()
    split = math.prod(filters)
    if biases != (1, filters[0], 1, 1) or split + filters[0] != len(values):
        cursor.fail("a convolution whose filters do not fit their sizes")
    if not all(0 < side <= _MAX_WINDOW for side in filters[2:]):
        cursor.fail("a convolution with a window that is too large")
    return Convolution(values[:split].reshape(filters), values[split:], stride, padding)


def _affine(cursor: _Cursor) -> Affine:
    values = cursor.tensor().ravel()
    gamma, beta = cursor.shape(), cursor.shape()
    cursor.integer(0, 0, "mode of an affine layer")  # 0: per channel
    if gamma != beta or gamma != (1, gamma[1], 1, 1) or len(values) != 2 * gamma[1]:
        cursor.fail("an affine layer that does not fit its sizes")
    return Affine(values[: gamma[1]], values[gamma[1] :])


def _dense(cursor: _Cursor) -> Dense:
    outputs = cursor.integer(1, _MAX_CHANNELS, "number of outputs")
    inputs = cursor.integer(1, _MAX_CHANNELS, "number of inputs")
    values = cursor.tensor().ravel()
    weights, biases = cursor.shape(), cursor.shape()
    cursor.integer(1, 1, "bias mode of a dense layer")  # 1: none
    for _ in range(4):
        cursor.real()
    if weights != (inputs, outputs, 1, 1) or biases != (0, 0, 0, 0) or len(values) != inputs * outputs:
        cursor.fail("a dense layer that does not fit its sizes")
    return Dense(values.reshape(inputs, outputs))


def _pool(cursor: _Cursor, kind: str) -> Pool:
    window, stride = cursor.pair(0, _MAX_WINDOW, "window"), cursor.pair(1, _MAX_WINDOW, "stride")
    cursor.pair(0, 0, "padding of a pool")
    if (0 in window) and window != (0, 0):
        cursor.fail("a pool over a window without area")
    return Pool(kind, window, stride)


class _Cursor:
    """A place in the bytes; every method reads one thing and moves on, or fails and says where."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data, self._name = data, name
        self.position = 0

    def fail(self, what: str) -> NoReturn:
        """Raises FetchError with the position."""
        raise FetchError(f"{self._name}: is not a dlib network that can be read (byte {self.position}: {what})")

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > len(self._data) - self.position:
            self.fail(f"{count} bytes wanted, but the file ends")
        self.position += count
        return self._data[self.position - count : self.position]

    def integer(self, low: int, high: int, what: str) -> int:
        """A whole number within limits."""
        start = self.position
        head = self.take(1)[0]
        length = head & ~_SIGN
        if not 0 < length <= 8:
            self.position = start
            self.fail("no whole number")
        value = int.from_bytes(self.take(length), "little") * (-1 if head & _SIGN else 1)
        if not low <= value <= high:
            self.position = start
            self.fail(f"{what} is {value}")
        return value

    def pair(self, low: int, high: int, what: str) -> tuple[int, int]:
        """Two whole numbers: y and x."""
        return self.integer(low, high, what), self.integer(low, high, what)

    def real(self) -> float:
        """A finite real number."""
        mantissa = self.integer(-(1 << 53), 1 << 53, "mantissa")
        return math.ldexp(mantissa, self.integer(-1100, 900, "exponent"))

    def boolean(self) -> None:
        """A digit 0 or 1."""
        if self.take(1) not in (b"0", b"1"):
            self.fail("neither 0 nor 1")

    def text(self, *allowed: str) -> str:
        """One of the allowed names."""
        start = self.position
        found = self.take(self.integer(0, _MAX_TEXT, "length of a name"))
        if found not in [name.encode() for name in allowed]:
            self.position = start
            self.fail(f"a layer that is not known, {found!r}")
        return found.decode()

    def sizes(self) -> tuple[int, int, int, int]:
        """Four sizes whose product is not larger than the file."""
        most = len(self._data)
        a, b, c, d = (self.integer(0, most, "size") for _ in range(4))
        if a * b * c * d > most:
            self.fail("sizes that the file cannot hold")
        return a, b, c, d

    def shape(self) -> tuple[int, int, int, int]:
        """Sizes of a part of a tensor."""
        self.integer(1, 1, "version of a shape")
        return self.sizes()

    def tensor(self) -> F32:
        """Four sizes and that many finite float32."""
        self.integer(2, 2, "version of a tensor")
        sizes = self.sizes()
        values: F32 = np.frombuffer(self.take(4 * math.prod(sizes)), "<f4").reshape(sizes).astype(np.float32)
        if not np.isfinite(values).all():
            self.fail("a weight that is not a finite number")
        return values
