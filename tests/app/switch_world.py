"""Two small embedders, and a gallery of made crops that both can tell apart."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.build import build_embedding
from pipeline.config import Settings
from pipeline.gallery import Gallery, Model, NewSample
from pipeline.types import AlignedFaces, OperatingPoint, Templates
from pipeline.weights import ModelStore
from pipeline.weights.add import write_card

SIDE, POOL = 112, 28
OLD, NEW = "arcface.old", "arcface.new"


def embedder_file(file: Path, seed: int, dimension: int = 64) -> Path:
    """A network that projects the crop, shrunk to 4x4 pixels less their mean, at random."""
    weights = np.random.default_rng(seed).normal(size=(48, dimension)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["face"], ["pooled"], kernel_shape=[POOL, POOL], strides=[POOL, POOL]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["vector"]),
        ],
        "g",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["N", dimension])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, file)
    return file


def install(settings: Settings, folder: Path, name: str, seed: int, *, points: bool = True, dimension: int = 64) -> str:
    """Installs an embedder, with operating points in its card; returns its model_id."""
    store = ModelStore(settings.models_dir)
    (model,) = store.add(embedder_file(folder / name / "w.onnx", seed, dimension), tag=name.partition(".")[2]).models
    if points:
        shared = {"fmr": 0.001, "fnmr": 0.02, "non_mated": 1000, "mated": 100, "fmr_upper": 0.01}
        shared |= {"threshold": 0.9, "model_id": model.model_id, "measured_on": "made up"}
        made = (
            OperatingPoint(task="verify", **shared),
            OperatingPoint(task="identify", gallery_size=10, **shared | {"fmr": 0.01}),
        )
        write_card(store, model.card.model_copy(update={"operating_points": made}))
    return model.model_id


def crop_of(key: object, seed: int = 0) -> np.ndarray:
    """(112, 112, 3) uint8: 4x4 patches whose colours belong to the key, with noise that belongs to the seed."""
    digest = int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8])
    patches = np.random.default_rng(digest).integers(20, 230, (4, 4, 3))
    noise = np.random.default_rng(seed).integers(-8, 9, (4, 4, 3))
    return np.kron(patches + noise, np.ones((POOL, POOL, 1))).astype(np.uint8)


def aligned(*crops: np.ndarray) -> AlignedFaces:
    return AlignedFaces(np.stack(crops), np.zeros((len(crops), 2, 3), np.float32))


def templates_of(settings: Settings, *crops: np.ndarray) -> Templates:
    return build_embedding(settings)[1].embed(aligned(*crops))


def png(crop: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))
    assert done
    return bytes(data)


def samples(settings: Settings, keys: list[tuple[str, int]], *, crops: bool = True) -> list[tuple[str, NewSample]]:
    """(subject, sample) of each (subject, number), embedded with the settings' model."""
    pictures = [crop_of(name, number + 1) for name, number in keys]
    found = templates_of(settings, *pictures)
    return [
        (
            name,
            NewSample(
                source=f"photos/{name}-{number}.png",
                photo_sha256=hashlib.sha256(f"{name}-{number}".encode()).hexdigest(),
                box=(0.0, 0.0, 112.0, 112.0),
                landmarks=np.array([[38, 52], [74, 52], [56, 72], [42, 92], [71, 92]], np.float32),
                confidence=0.9,
                image_hw=(112, 112),
                vector=vector,
                norm=float(norm),
                crop=png(picture) if crops else None,
            ),
        )
        for (name, number), picture, vector, norm in zip(keys, pictures, found.vectors, found.norms, strict=True)
    ]


def open_by(settings: Settings, model_id: str, **more: Any) -> Gallery:
    return Gallery.open(settings.gallery_location, model_id, 64, **more)


def model_of(model_id: str) -> Model:
    return Model(model_id, 64)


def found_in(gallery: Gallery, settings: Settings, name: str) -> list[tuple[str, float]]:
    """The best three for a new picture of somebody."""
    (row,) = gallery.search(templates_of(settings, crop_of(name, 99)), k=3)
    return list(zip(row.subjects, row.scores.tolist(), strict=True))
