"""A small face network and made-up faces that it can tell apart, for tests that need no models."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.types import OperatingPoint
from pipeline.weights import Card
from pipeline.weights.card import Licence, Preprocessing
from pipeline.weights.toml_out import to_toml

NAME = "arcface.tiny"
DIMENSION = 64
LICENCE = Licence(code="MIT", weights="MIT", training_data="none", commercial_use=True)
PREPROCESSING = Preprocessing(
    input_hw=(112, 112), colour="rgb", mean=(127.5,) * 3, std=(127.5,) * 3, template="arcface-112"
)


def write_network(file: Path, seed: int = 0) -> Path:
    """Convolutions, one of them depthwise, and a fully connected layer: (N, 3, 112, 112) in, (N, 64) out."""
    rng = np.random.default_rng(seed)
    shapes = {"w1": (24, 3, 7, 7), "w2": (24, 1, 3, 3), "w3": (32, 24, 3, 3), "w4": (32 * 49, DIMENSION)}
    weights = {name: rng.normal(0, 1 / np.sqrt(np.prod(s[1:])), s).astype(np.float32) for name, s in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["face", "w1"], ["a"], strides=[4, 4], pads=[3, 3, 3, 3]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1], group=24),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Conv", ["d", "w3"], ["e"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("Gemm", ["f", "w4"], ["vector"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["N", 3, 112, 112])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["N", DIMENSION])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    model.producer_name = "/home/somebody/secret"
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, file)
    return file


def card(name: str = NAME, points: tuple[OperatingPoint, ...] = (), **changes: object) -> Card:
    """The card of such a network."""
    return Card.model_validate(
        {
            "name": name,
            "task": "embedder",
            "family": "arcface",
            "dimension": DIMENSION,
            "preprocessing": PREPROCESSING,
            "licence": LICENCE,
            "operating_points": points,
            **changes,
        }
    )


def write_card(file: Path, made: Card) -> Path:
    """Writes a card as TOML."""
    file.write_text(to_toml(made.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    return file


def write_faces(root: Path, people: int = 10, photos: int = 6, seed: int = 0) -> Path:
    """ROOT/pN/M.png: aligned crops, 112x112; each person a coarse, coloured pattern under noise."""
    rng = np.random.default_rng(seed)
    for person in range(people):
        pattern = rng.integers(40, 216, (7, 7, 3)).astype(np.float32) * [1.15, 0.9, 0.6]
        large = cv2.resize(pattern, (112, 112), interpolation=cv2.INTER_CUBIC)
        folder = root / f"p{person:02d}"
        folder.mkdir(parents=True)
        for number in range(photos):
            coarse = cv2.resize(rng.normal(0, 30, (7, 7, 3)).astype(np.float32), (112, 112))
            crop = np.clip(large + coarse + rng.normal(0, 6, large.shape), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"{number}.png"), crop[..., ::-1])
    return root
