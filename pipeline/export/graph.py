"""Around a network: preprocessing folded in, metadata, and the checks that every export has to pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import CardError, ExportRefusedError, ModelDamagedError
from pipeline.weights.card import Card, Preprocessing
from pipeline.weights.transforms import STEPS

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

#: Batches that every exported network must take.
BATCHES = (1, 2, 5, 64)
_OLDEST_OPSET = 13  # from here on the sizes that ReduceSum and Unsqueeze work on are inputs
_SMALLEST_NORM = 1e-12


def read(file: Path) -> ModelProto:
    """An ONNX network with an open batch and without what has no effect: names, paths, notes of its maker.

    Raises:
        ModelDamagedError: It is none.
        CardError: Its operators are older than opset 13.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(file, load_external_data=False)
        STEPS["dynamic_batch"](model)
        STEPS["clean"](model)
    except (DecodeError, ValueError, OSError) as error:
        raise ModelDamagedError(f"{file}: is not an ONNX network: run `knownface models verify`") from error
    if opset_of(model) < _OLDEST_OPSET:
        from onnx import version_converter

        try:
            model = version_converter.convert_version(model, _OLDEST_OPSET)
        except (RuntimeError, ValueError) as error:
            raise CardError(f"{file}: its operators (opset {opset_of(model)}) are too old to be exported") from error
        STEPS["clean"](model)
    return model


def opset_of(model: ModelProto) -> int:
    """The version of ONNX's own operators it uses."""
    return int(max(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}))


def fold(model: ModelProto, prep: Preprocessing) -> None:
    """Puts a network's preprocessing in front of it and the normalisation behind it.

    Afterwards it takes `faces`, (N, H, W, 3) uint8 RGB, and gives `embedding`, (N, D) float32 rows of unit length, and
    `norm`, (N, 1) float32, their lengths before.

    Raises:
        CardError: Its preprocessing is of a form that only the pipeline itself does.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    if prep.transposed or prep.dynamic_size or len(graph.input) != 1 or len(graph.output) != 1:
        raise CardError("preprocessing can be folded only into a network that takes one upright picture of one size")
    constant, nodes = _Constants(graph), []
    fed, last = graph.input[0].name, graph.output[0].name
    faces: list[tuple[str, list[str], dict[str, Any]]] = [("Cast", ["faces"], {"to": TensorProto.FLOAT})]
    if prep.colour == "bgr":
        faces.append(("Gather", ["", constant("bgr", np.array([2, 1, 0]))], {"axis": 3}))
    faces.append(("Sub", ["", constant("mean", np.array(prep.mean, np.float32))], {}))
    faces.append(("Div", ["", constant("std", np.array(prep.std, np.float32))], {}))
    if prep.layout == "nchw":
        faces.append(("Transpose", [""], {"perm": [0, 3, 1, 2]}))
    for number, (kind, inputs, attributes) in enumerate(faces):
        given = [name or f"fed_{number}" for name in inputs]
        done = fed if number == len(faces) - 1 else f"fed_{number + 1}"
        nodes.append(helper.make_node(kind, given, [done], name=f"fold_{kind}", **attributes))
    behind = [
        helper.make_node("Mul", [last, last], ["squares"], name="fold_squares"),
        helper.make_node("ReduceSum", ["squares", constant("axis", np.array([1]))], ["power"], keepdims=1),
        helper.make_node("Sqrt", ["power"], ["norm"], name="fold_norm"),
        helper.make_node("Max", ["norm", constant("tiny", np.array([_SMALLEST_NORM], np.float32))], ["length"]),
        helper.make_node("Div", [last, "length"], ["embedding"], name="fold_unit"),
    ]
    inner = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *inner, *behind])
    dimension = graph.output[0].type.tensor_type.shape.dim[-1].dim_value or "D"
    height, width = prep.input_hw
    del graph.input[:], graph.output[:]
    graph.input.append(helper.make_tensor_value_info("faces", TensorProto.UINT8, ["N", height, width, 3]))
    graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", dimension]))
    graph.output.append(helper.make_tensor_value_info("norm", TensorProto.FLOAT, ["N", 1]))


class _Constants:
    """Adds initializers to a graph."""

    def __init__(self, graph: GraphProto) -> None:
        self._graph = graph

    def __call__(self, name: str, values: Any) -> str:
        from onnx import numpy_helper

        self._graph.initializer.append(numpy_helper.from_array(values, f"fold_{name}"))
        return f"fold_{name}"


def describe(model: ModelProto, facts: Mapping[str, str]) -> None:
    """Writes facts into the network's metadata, and nothing else: no path, no machine.

    A network cannot hold its own model_id, which is a hash of its bytes: it holds its name and its source's model_id.
    """
    from onnx import helper

    del model.metadata_props[:]
    helper.set_model_props(model, dict(facts))


def facts_of(card: Card, source: str, version: str) -> dict[str, str]:
    """What goes into the metadata: name, source, precision, preprocessing, licence and producer."""
    return {
        "knownface.name": card.name,
        "knownface.source_model_id": source,
        "knownface.precision": card.precision,
        "knownface.preprocessing": json.dumps(card.preprocessing.model_dump(mode="json"), sort_keys=True),
        "knownface.licence": json.dumps(card.licence.model_dump(mode="json"), sort_keys=True),
        "knownface.version": version,
    }


def save(model: ModelProto, file: Path) -> None:
    """Writes the network; equal networks give equal bytes.

    Raises:
        ExportRefusedError: ONNX's checker refuses it.
    """
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportRefusedError(f"{file.name}: ONNX's checker refuses it ({_one_line(error)})") from error
    file.write_bytes(model.SerializeToString(deterministic=True))


def check_batches(file: Path, card: Card) -> None:
    """Runs the network in ONNX Runtime on each of BATCHES.

    Raises:
        ExportRefusedError: It fails, or gives another shape or numbers that are not finite.
    """
    from pipeline.onnx_runtime import OnnxRuntimeSession, onnxruntime_errors

    session = OnnxRuntimeSession(file, precision=card.precision)
    height, width = card.preprocessing.input_hw
    for batch in BATCHES:
        shape = (batch, height, width, 3) if _channels_last(card) else (batch, 3, height, width)
        blank = np.full(shape, 127, np.uint8 if card.preprocessing.folded else np.float32)
        try:
            rows = session.run({session.inputs[0]: blank})[session.outputs[0]]
        except onnxruntime_errors() as error:
            raise ExportRefusedError(f"{card.name}: does not run with a batch of {batch}") from error
        if rows.size != batch * (card.dimension or 0) or not np.isfinite(rows).all():
            raise ExportRefusedError(f"{card.name}: a batch of {batch} gives {rows.shape}, or what is no number")


def _channels_last(card: Card) -> bool:
    return card.preprocessing.folded or card.preprocessing.layout == "nhwc"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
