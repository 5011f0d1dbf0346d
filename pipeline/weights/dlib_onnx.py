"""Writes a network read from dlib's file as ONNX: input `input` (N, 3, H, W) RGB 0..255, output `output` (N, D).

Affine layers behind a convolution become part of it (in float64, rounded once). The same file gives the same bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import FetchError
from pipeline.weights.dlib_file import Add, Affine, Convolution, Dense, DlibNetwork, Layer, Pool, Relu, read_dlib

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

Shape = tuple[int, int, int]  # channels, height, width

_OPSET, _IR_VERSION = 13, 7
_MAX_FILE_BYTES = 256 << 20
_MAX_VALUES = 64 << 20  # of one layer's output: no picture of 1024x1024 with more than 64 channels
_SCALE = 256.0


def onnx_of_dlib(file: Path) -> ModelProto:
    """The ONNX model of a file that dlib has saved.

    Raises:
        FetchError: It is no network that can be read, or its layers do not fit together.
    """
    if file.stat().st_size > _MAX_FILE_BYTES:
        raise FetchError(f"{file.name}: has more than {_MAX_FILE_BYTES} bytes: too large for a dlib network")
    return to_onnx(read_dlib(file.read_bytes(), file.name), file.name)


def to_onnx(network: DlibNetwork, name: str) -> ModelProto:
    """The ONNX model of a network.

    Raises:
        FetchError: Its layers do not fit together.
    """
    from onnx import TensorProto, helper  # noqa: PLC0415  heavy; only ever needed by `models pull`

    writer = _Writer(name)
    writer.constant("mean", np.array(network.mean, np.float32).reshape(1, 3, 1, 1))
    writer.constant("scale", np.array(1 / _SCALE, np.float32))
    writer.node("Sub", ["input", "mean"], "centred")
    writer.node("Mul", ["centred", "scale"], "picture")
    outputs: list[tuple[str, Shape]] = []
    picture = ("picture", (3, *network.input_hw))
    layers = _folded(network, writer)
    for number, (layer, sources) in enumerate(layers):
        inputs = [outputs[source] if source >= 0 else picture for source in sources]
        outputs.append(writer.layer(number, layer, inputs))
    if not isinstance(layers[-1][0], Dense):
        raise writer.error(len(layers) - 1, "the last layer is not a dense one")
    (_, shape), writer.nodes[-1].output[0] = outputs[-1], "output"
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        writer.nodes,
        "graph",
        [value("input", TensorProto.FLOAT, ["N", 3, *network.input_hw])],
        [value("output", TensorProto.FLOAT, ["N", shape[0]])],
        writer.constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)


def _folded(network: DlibNetwork, writer: _Writer) -> list[tuple[Layer, tuple[int, ...]]]:
    """The layers, every affine one that alone reads a convolution being part of it."""
    read = [source for _, sources in network.layers for source in sources]
    layers: list[tuple[Layer, tuple[int, ...]]] = []
    place = {-1: -1}  # of a layer in the new list
    for number, (layer, sources) in enumerate(network.layers):
        source = sources[0]
        before = layers[place[source]][0] if source >= 0 else None
        if isinstance(layer, Affine) and isinstance(before, Convolution) and read.count(source) == 1:
            layers[place[source]] = (_merged(before, layer, writer, place[source]), layers[place[source]][1])
            place[number] = place[source]
        else:
            place[number] = len(layers)
            layers.append((layer, tuple(place[source] for source in sources)))
    return layers


def _merged(layer: Convolution, affine: Affine, writer: _Writer, number: int) -> Convolution:
    """One convolution that does the work of both."""
    gamma, beta = affine.gamma.astype(np.float64), affine.beta.astype(np.float64)
    if len(gamma) != len(layer.weights):
        raise writer.error(number, f"{len(layer.weights)} channels, but {len(gamma)} in the affine layer behind it")
    weights = (layer.weights * gamma[:, None, None, None]).astype(np.float32)
    return Convolution(weights, (layer.bias * gamma + beta).astype(np.float32), layer.stride, layer.padding)


@dataclass
class _Writer:
    """Collects nodes and constants; `layer` adds what a layer needs and says what comes out of it."""

    name: str
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def error(self, number: int, what: str) -> FetchError:
        """The error for a layer that does not fit."""
        return FetchError(f"{self.name}: is not a dlib network that can be used (layer {number}: {what})")

    def constant(self, name: str, values: npt.NDArray[Any]) -> str:
        """Adds a constant and returns its name."""
        from onnx import numpy_helper  # noqa: PLC0415

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Adds a node and returns the name of its output."""
        from onnx import helper  # noqa: PLC0415

        self.nodes.append(helper.make_node(kind, inputs, [output], f"{kind}_{len(self.nodes)}", **attributes))
        return output

    def layer(self, number: int, layer: Layer, inputs: list[tuple[str, Shape]]) -> tuple[str, Shape]:
        """Adds a layer; name and shape of its output."""
        (source, shape), output = inputs[0], f"layer_{number}"
        match layer:
            case Convolution():
                made = self._convolution(number, layer, source, shape)
            case Affine():
                made = self._affine(number, layer, source, shape)
            case Relu():
                made = self.node("Relu", [source], output), shape
            case Pool():
                made = self._pool(number, layer, source, shape)
            case Add():
                made = self._add(output, inputs)
            case Dense():
                made = self._dense(number, layer, source, shape)
        if math.prod(made[1]) > _MAX_VALUES:
            raise self.error(number, "its output is too large")
        return made

    def _convolution(self, number: int, layer: Convolution, source: str, shape: Shape) -> tuple[str, Shape]:
        filters, channels, *window = layer.weights.shape
        if channels != shape[0]:
            raise self.error(number, f"{channels} channels wanted, {shape[0]} given")
        (pad_y, pad_x), output = layer.padding, f"layer_{number}"
        size = self._size(number, (shape[1] + 2 * pad_y, shape[2] + 2 * pad_x), tuple(window), layer.stride)
        names = [self.constant(f"{output}_w", layer.weights), self.constant(f"{output}_b", layer.bias)]
        pads = [pad_y, pad_x, pad_y, pad_x]
        self.node("Conv", [source, *names], output, kernel_shape=window, strides=layer.stride, pads=pads)
        return output, (filters, *size)

    def _affine(self, number: int, layer: Affine, source: str, shape: Shape) -> tuple[str, Shape]:
        if len(layer.gamma) != shape[0]:
            raise self.error(number, f"{len(layer.gamma)} channels wanted, {shape[0]} given")
        output = f"layer_{number}"
        gamma = self.constant(f"{output}_gamma", layer.gamma.reshape(1, -1, 1, 1))
        beta = self.constant(f"{output}_beta", layer.beta.reshape(1, -1, 1, 1))
        scaled = self.node("Mul", [source, gamma], f"{output}_scaled")
        return self.node("Add", [scaled, beta], output), shape

    def _pool(self, number: int, layer: Pool, source: str, shape: Shape) -> tuple[str, Shape]:
        output = f"layer_{number}"
        if layer.window == (0, 0):
            kind = "GlobalMaxPool" if layer.kind == "max" else "GlobalAveragePool"
            return self.node(kind, [source], output), (shape[0], 1, 1)
        size = self._size(number, shape[1:], layer.window, layer.stride)
        kind = "MaxPool" if layer.kind == "max" else "AveragePool"
        self.node(kind, [source], output, kernel_shape=layer.window, strides=layer.stride)
        return output, (shape[0], *size)

    def _add(self, output: str, inputs: list[tuple[str, Shape]]) -> tuple[str, Shape]:
        (_, a), (_, b) = inputs
        shape = (max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2]))
        names = [self._filled(f"{output}_{side}", *given, shape) for side, given in enumerate(inputs)]
        return self.node("Add", names, output), shape

    def _filled(self, output: str, source: str, given: Shape, wanted: Shape) -> str:
        """Zeros behind the last channel, row and column."""
        if given == wanted:
            return source
        ends = [w - g for w, g in zip(wanted, given, strict=True)]
        pads = self.constant(f"{output}_pads", np.array([0, 0, 0, 0, 0, *ends], np.int64))
        return self.node("Pad", [source, pads], f"{output}_filled")

    def _dense(self, number: int, layer: Dense, source: str, shape: Shape) -> tuple[str, Shape]:
        if len(layer.weights) != math.prod(shape):
            raise self.error(number, f"{len(layer.weights)} values wanted, {math.prod(shape)} given")
        output = f"layer_{number}"
        flat = self.node("Flatten", [source], f"{output}_flat", axis=1)
        self.node("MatMul", [flat, self.constant(f"{output}_w", layer.weights)], output)
        return output, (layer.weights.shape[1], 1, 1)

    def _size(
        self, number: int, size: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, int]
    ) -> tuple[int, int]:
        y, x = ((s - w) // step + 1 for s, w, step in zip(size, window, stride, strict=True))
        if min(y, x) < 1:
            raise self.error(number, f"its window is larger than the {size[0]}x{size[1]} it sees")
        return y, x
