"""Turns a published file into the ONNX file the pipeline runs. Deterministic: the same bytes in, the same bytes out.

The steps a card can name, in `STEPS`, and one that can only come first:

    from_dlib        the file is a network saved by dlib, not ONNX
    fold_dequantize  block-, channel- or tensor-wise quantised weights become plain fp32 initializers
    dynamic_batch    the first axis of every input and output becomes `N`
    dynamic_size     height and width of an NCHW input become `H` and `W`
    clean            drops what has no effect on the result: stale inputs, Dropout, Identity, dead nodes, names, paths

`onnx` is imported only when a transform runs.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import FetchError
from pipeline.weights.dlib_onnx import onnx_of_dlib

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

    from pipeline.weights.card import Step

Array = npt.NDArray[Any]

_IR_VERSION_OF_OPSET = {12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}
_NO_EFFECT = {"Dropout", "Identity"}


def transform_file(source: Path, target: Path, steps: Sequence[Step]) -> None:
    """Applies the steps to an ONNX file and checks the result.

    Args:
        source: The file as published: ONNX, or what the first step reads.
        target: Where the result is written; may not be `source`.
        steps: Names of the steps, in order; with none the bytes are copied as they are.

    Raises:
        FetchError: The file is not a model these steps can handle.
    """
    if not steps:
        shutil.copyfile(source, target)
        return
    from_dlib = steps[0] == "from_dlib"
    import onnx  # noqa: PLC0415  heavy; only ever needed by `models pull`
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        model = onnx_of_dlib(source) if from_dlib else onnx.load(source, load_external_data=False)
        for step in steps[from_dlib:]:
            STEPS[step](model)
        onnx.checker.check_model(model)
    except (DecodeError, ValueError, KeyError, onnx.checker.ValidationError) as error:
        raise FetchError(f"{source.name}: is not an ONNX model that can be prepared ({_one_line(error)})") from error
    target.write_bytes(model.SerializeToString(deterministic=True))


def dequantize(x: Array, scale: Array, zero_point: Array | None, *, axis: int = 1, block_size: int = 0) -> Array:
    """`(x - zero_point) * scale`, as ONNX DequantizeLinear defines it (opset 21).

    Args:
        x: Integers of any shape.
        scale: float32: one for all, (x.shape[axis],) per channel, or with `block_size` the shape of x with
            ceil(x.shape[axis] / block_size) entries along `axis`.
        zero_point: Integers of the shape of `scale`; None means 0.
        axis: The axis of channels or blocks.
        block_size: Neighbours along `axis` that share a scale; 0 for none.

    Returns:
        float32 of the shape of x.
    """
    scale = np.asarray(scale, np.float32)
    zero = np.zeros(scale.shape, np.int32) if zero_point is None else np.asarray(zero_point).astype(np.int32)
    if block_size and x.ndim and scale.ndim == x.ndim:
        axis %= x.ndim
        wanted = (*x.shape[:axis], -(-x.shape[axis] // block_size), *x.shape[axis + 1 :])
        if scale.shape != wanted or zero.shape != wanted:
            raise ValueError(f"scales of shape {scale.shape}, expected {wanted}")
        keep = (slice(None),) * axis + (slice(x.shape[axis]),)
        scale, zero = (np.repeat(a, block_size, axis)[keep] for a in (scale, zero))
    elif scale.size == 1:
        scale, zero = scale.reshape(()), zero.reshape(())
    else:
        axis %= x.ndim
        shape = [-1 if i == axis else 1 for i in range(x.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    result: Array = ((x.astype(np.int32) - zero).astype(np.float32) * scale).astype(np.float32)
    return result


def _fold_dequantize(model: ModelProto) -> None:
    from onnx import helper, numpy_helper  # noqa: PLC0415

    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    folded: dict[str, Array] = {}
    kept: list[NodeProto] = []
    for node in graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "DequantizeLinear" and all(name in constants for name in node.input if name):
            values = [numpy_helper.to_array(constants[name]) if name else None for name in node.input]
            x, scale, zero = (*values, None)[:3]
            if x is None or scale is None:
                raise ValueError(f"{node.name}: DequantizeLinear without a scale")
            folded[node.output[0]] = dequantize(
                x, scale, zero, axis=attributes.get("axis", 1), block_size=attributes.get("block_size", 0)
            )
        elif node.op_type == "Reshape" and node.input[0] in folded and node.input[1] in constants:
            shape = numpy_helper.to_array(constants[node.input[1]])
            folded[node.output[0]] = folded[node.input[0]].reshape([int(s) for s in shape])
        else:
            kept.append(node)
    used = {name for node in kept for name in node.input} | {o.name for o in graph.output}
    _replace(graph.node, kept)
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in folded.items() if name in used
    )


def _dynamic_batch(model: ModelProto) -> None:
    from onnx import numpy_helper  # noqa: PLC0415

    graph = model.graph
    for value in [*_real_inputs(graph), *graph.output]:
        _name_axis(value, 0, "N")
    constants = {i.name: i for i in graph.initializer}
    for node in [n for n in graph.node if n.op_type == "Reshape" and n.input[1] in constants]:
        if node.input[0] in constants:
            continue
        old = constants[node.input[1]]
        shape = numpy_helper.to_array(old)
        if shape.ndim == 1 and len(shape) > 1 and shape[0] == 1:  # [1, ...] -> [0, ...]: keep the batch as it comes
            new = numpy_helper.from_array(np.array([0, *shape[1:]], np.int64), f"{node.output[0]}_batched_shape")
            graph.initializer.append(new)
            node.input[1] = new.name


def _dynamic_size(model: ModelProto) -> None:
    from onnx import numpy_helper  # noqa: PLC0415

    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    for value in _real_inputs(graph):
        _name_axis(value, 2, "H")
        _name_axis(value, 3, "W")
    for node in [n for n in graph.node if n.op_type == "Reshape" and n.input[1] in constants]:
        shape = numpy_helper.to_array(constants[node.input[1]])
        if node.input[0] not in constants and len(shape) == 3 and -1 not in shape:  # [N, cells, c]
            new = numpy_helper.from_array(np.array([shape[0], -1, shape[2]], np.int64), f"{node.output[0]}_sized_shape")
            graph.initializer.append(new)
            node.input[1] = new.name
    for value in graph.output:
        _name_axis(value, 1, f"cells_{value.name}")


def _clean(model: ModelProto) -> None:
    graph = model.graph
    _bypass(graph)
    _drop_dead(graph)
    _replace(graph.input, _real_inputs(graph))
    for field in ("value_info", "metadata_props", "quantization_annotation"):
        graph.ClearField(field)
    for field in ("doc_string", "producer_name", "producer_version", "model_version", "domain", "metadata_props"):
        model.ClearField(field)
    for thing in [graph, *graph.node, *graph.initializer, *graph.input, *graph.output]:
        for field in ("doc_string", "metadata_props"):
            if field in thing.DESCRIPTOR.fields_by_name:
                thing.ClearField(field)
    graph.name = "graph"
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
    opset = max(o.version for o in model.opset_import if o.domain in {"", "ai.onnx"})
    model.ir_version = max(model.ir_version, _IR_VERSION_OF_OPSET.get(opset, 0))


def _real_inputs(graph: GraphProto) -> list[Any]:
    """The inputs that have to be fed: some node reads them and no initializer gives them a value."""
    fixed = {i.name for i in graph.initializer}
    read = {name for node in graph.node for name in node.input}
    return [i for i in graph.input if i.name in read and i.name not in fixed]


def _bypass(graph: GraphProto) -> None:
    """Connects the reader of a node without effect with what that node reads."""
    outputs = {o.name for o in graph.output}
    alias: dict[str, str] = {}
    kept: list[NodeProto] = []
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = alias.get(name, name)
        if node.op_type in _NO_EFFECT and not any(name in outputs for name in node.output):
            alias[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    _replace(graph.node, kept)


def _drop_dead(graph: GraphProto) -> None:
    """Removes nodes and initializers that no output depends on."""
    live = {o.name for o in graph.output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):  # ONNX lists nodes in topological order
        if any(name in live for name in node.output):
            kept.append(node)
            live.update(node.input)
    _replace(graph.node, kept[::-1])
    _replace(graph.initializer, [i for i in graph.initializer if i.name in live])


def _name_axis(value: Any, axis: int, name: str) -> None:
    dims = value.type.tensor_type.shape.dim
    if axis >= len(dims):
        raise ValueError(f"{value.name}: has no axis {axis}")
    dims[axis].Clear()
    dims[axis].dim_param = name


def _replace(field: Any, items: Sequence[Any]) -> None:
    copies = [type(item).FromString(item.SerializeToString()) for item in items]
    del field[:]
    field.extend(copies)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


STEPS: dict[str, Callable[[ModelProto], None]] = {
    "fold_dequantize": _fold_dequantize,
    "dynamic_batch": _dynamic_batch,
    "dynamic_size": _dynamic_size,
    "clean": _clean,
}
