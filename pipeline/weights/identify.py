"""Finds out from an ONNX file's inputs and outputs which decoder of the pipeline can read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.weights.card import Family, Preprocessing, Task

if TYPE_CHECKING:
    from onnx import GraphProto

_MIDDLE = 127.5


@dataclass(frozen=True, slots=True)
class Identity:
    """What a network is.

    Attributes:
        task: Stage of the pipeline.
        family: Decoder that reads it.
        preprocessing: What it wants to be fed.
        dimension: Length of its templates, None unless it is an embedder.
    """

    task: Task
    family: Family
    preprocessing: Preprocessing
    dimension: int | None = None


def identify(file: Path) -> Identity | str:
    """The identity of a network, or in words why the pipeline has no use for it.

    Known are InsightFace's SCRFD with landmarks (nine outputs: scores, boxes, landmarks at three strides) and ArcFace
    and its kin (an aligned 112x112 face in, one vector out).
    """
    import onnx  # noqa: PLC0415  heavy; only `models add` needs it
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        graph = onnx.load(file, load_external_data=False).graph
    except (DecodeError, OSError, ValueError):
        return "is not an ONNX file"
    if any(i.data_location == onnx.TensorProto.EXTERNAL for i in graph.initializer):
        return "keeps its weights in a file of their own; save it as one file"
    fixed = {i.name for i in graph.initializer}
    inputs = [_dims(i) for i in graph.input if i.name not in fixed]
    outputs = [_dims(o) for o in graph.output]
    if len(inputs) != 1 or len(inputs[0]) != 4 or inputs[0][1] not in (3, 0):
        return "does not take one RGB image"
    return (
        _detector(inputs[0], outputs) or _embedder(graph, inputs[0], outputs) or "is neither a detector nor an embedder"
    )


def _detector(image: list[int], outputs: list[list[int]]) -> Identity | str | None:
    widths = [shape[-1] if shape else 0 for shape in outputs]
    if sorted(widths) == [1, 1, 1, 4, 4, 4]:
        return "is a detector without landmarks, which alignment needs"
    if sorted(widths) != [1, 1, 1, 4, 4, 4, 10, 10, 10]:
        return None
    size = (image[2], image[3]) if image[2] > 0 and image[3] > 0 else (0, 0)
    return Identity("detector", "scrfd", _preprocessing(size, _MIDDLE, 128.0, multiple_of=32))


def _embedder(graph: GraphProto, image: list[int], outputs: list[list[int]]) -> Identity | None:
    if image[2:] != [112, 112] or len(outputs) != 1 or len(outputs[0]) != 2 or not 64 <= outputs[0][1] <= 4096:
        return None
    # Networks converted from MXNet subtract and scale by themselves, in their first nodes.
    first = {node.op_type for node in graph.node[:8]}
    mean, std = (0.0, 1.0) if {"Sub", "Mul"} <= first else (_MIDDLE, _MIDDLE)
    prep = _preprocessing((112, 112), mean, std, template="arcface-112")
    return Identity("embedder", "arcface", prep, outputs[0][1])


def _preprocessing(
    input_hw: tuple[int, int], mean: float, std: float, *, multiple_of: int = 1, template: str = ""
) -> Preprocessing:
    return Preprocessing(
        input_hw=input_hw,
        multiple_of=multiple_of,
        colour="rgb",
        mean=(mean,) * 3,
        std=(std,) * 3,
        template=template,
    )


def _dims(value: Any) -> list[int]:
    """Sizes of the axes, 0 where they are open."""
    return [int(dim.dim_value) for dim in value.type.tensor_type.shape.dim]
