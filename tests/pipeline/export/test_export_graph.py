"""pipeline.export: what a network is turned into, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from pipeline.blobs import planar
from pipeline.errors import CardError, ExportRefusedError, ModelDamagedError
from pipeline.export import graph, precision
from pipeline.onnx_runtime import OnnxRuntimeSession
from pipeline.stage_models import build_embedder
from pipeline.types import AlignedFaces, Image
from pipeline.weights import Card
from tests.networks import PREPROCESSING, card, write_network


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_network(tmp_path / "tiny.onnx")


def crops(count: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), np.uint8)


def vectors(file: Path, made: Card, faces: Image) -> np.ndarray:
    embedder = build_embedder(made, OnnxRuntimeSession(file), "a.b@00000000", max_batch=3)
    return embedder.embed(AlignedFaces(faces, np.zeros((len(faces), 2, 3), np.float32))).vectors


def saved(model: onnx.ModelProto, file: Path) -> Path:
    graph.save(model, file)
    return file


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize(
    "mean_std", [((127.5,) * 3, (127.5,) * 3), ((0.0,) * 3, (1.0,) * 3), ((104.0,) * 3, (57.0,) * 3)]
)
def test_folded_preprocessing_gives_the_same_templates(
    network: Path, tmp_path: Path, colour: str, mean_std: tuple[tuple[float, ...], tuple[float, ...]]
) -> None:
    prep = PREPROCESSING.model_copy(update={"colour": colour, "mean": mean_std[0], "std": mean_std[1]})
    plain, faces = card(preprocessing=prep), crops(5)
    model = graph.read(network)
    graph.fold(model, prep)
    file = saved(model, tmp_path / "folded.onnx")
    folded = card(preprocessing=prep.model_copy(update={"folded": True}))
    np.testing.assert_allclose(vectors(file, folded, faces), vectors(network, plain, faces), atol=2e-6)
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    unit, norm = session.run(None, {"faces": faces})
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    blob = planar(list(faces), bgr=colour == "bgr", mean=mean_std[0][0], std=mean_std[1][0])
    raw = OnnxRuntimeSession(network).run({"face": blob})["vector"]
    np.testing.assert_allclose(norm[:, 0], np.linalg.norm(raw, axis=1), rtol=1e-5)


def test_a_folded_embedder_keeps_the_norms(network: Path, tmp_path: Path) -> None:
    """They tell poor images from good ones."""
    model, faces = graph.read(network), crops(4)
    graph.fold(model, PREPROCESSING)
    file = saved(model, tmp_path / "folded.onnx")
    aligned = AlignedFaces(faces, np.zeros((4, 2, 3), np.float32))
    folded = card(preprocessing=PREPROCESSING.model_copy(update={"folded": True}))
    one = build_embedder(card(), OnnxRuntimeSession(network), "a.b@00000000").embed(aligned)
    other = build_embedder(folded, OnnxRuntimeSession(file), "a.b@00000000").embed(aligned)
    np.testing.assert_allclose(other.norms, one.norms, rtol=1e-5)


def test_metadata_says_what_it_is_and_nothing_of_this_machine(network: Path, tmp_path: Path) -> None:
    model = graph.read(network)
    graph.describe(model, graph.facts_of(card(), "arcface.tiny@12345678", "1.2"))
    file = saved(model, tmp_path / "out.onnx")
    facts = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert facts["knownface.name"] == "arcface.tiny"
    assert facts["knownface.source_model_id"] == "arcface.tiny@12345678"
    assert facts["knownface.precision"] == "fp32"
    assert json.loads(facts["knownface.preprocessing"])["template"] == "arcface-112"
    assert json.loads(facts["knownface.licence"])["weights"] == "MIT"
    data = file.read_bytes()
    assert b"/home" not in data
    assert str(tmp_path).encode() not in data
    graph.describe(model, graph.facts_of(card(), "arcface.tiny@12345678", "1.2"))
    assert saved(model, tmp_path / "again.onnx").read_bytes() == data


@pytest.mark.parametrize("kind", ["fp16", "int8", "dynamic"])
def test_lower_precisions_stay_close_and_take_every_batch(network: Path, tmp_path: Path, kind: str) -> None:
    model, faces = graph.read(network), crops(24)
    fed = planar(list(faces), mean=127.5, std=127.5)
    made = {
        "fp16": lambda: precision.to_fp16(model),
        "int8": lambda: precision.to_int8(model, fed[12:]),
        "dynamic": lambda: precision.to_dynamic_int8(model),
    }[kind]()
    file = saved(made, tmp_path / "out.onnx")
    graph.check_batches(file, card())
    cosines = np.vecdot(vectors(file, card(), faces[:12]), vectors(network, card(), faces[:12]))
    assert cosines.mean() > (0.99999 if kind == "fp16" else 0.99)
    assert cosines.mean() < 1 - 1e-9, "it was converted"
    assert file.stat().st_size < network.stat().st_size * (0.6 if kind != "int8" else 1)


def test_int8_is_per_channel_and_spares_the_sensitive_layers(network: Path) -> None:
    faces = planar(list(crops(6)), mean=127.5, std=127.5)
    made = precision.to_int8(graph.read(network), faces)
    scales = {i.name: onnx.numpy_helper.to_array(i) for i in made.graph.initializer}
    weights = [n for n in made.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in scales]
    sizes = [scales[n.input[1]].size for n in weights if scales[n.input[0]].dtype == np.int8]
    assert sizes == [32], "one scale for each of the 32 output channels of the one layer that is quantised"
    (values,) = [scales[n.input[0]] for n in weights if scales[n.input[0]].dtype == np.int8]
    assert np.abs(values).max() <= 64, "seven bits: eight saturate on processors without VNNI"


def test_what_is_no_network_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no network")
    with pytest.raises(ModelDamagedError, match="is not an ONNX network"):
        graph.read(tmp_path / "m.onnx")


def test_a_network_the_checker_refuses_is_not_written(network: Path, tmp_path: Path) -> None:
    model = graph.read(network)
    model.graph.node[0].op_type = "Convolve"
    with pytest.raises(ExportRefusedError, match="checker refuses") as caught:
        graph.save(model, tmp_path / "out.onnx")
    assert "\n" not in caught.value.message
    assert not (tmp_path / "out.onnx").exists()


def test_a_network_for_one_batch_only_is_refused(network: Path, tmp_path: Path) -> None:
    model = graph.read(network)
    model.graph.node[5].op_type = "Reshape"
    model.graph.node[5].input.append("shape")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 32 * 49]), "shape"))
    file = saved(model, tmp_path / "out.onnx")
    with pytest.raises(ExportRefusedError, match="batch of 2"):
        graph.check_batches(file, card())


def test_only_an_upright_picture_of_one_size_is_folded(network: Path) -> None:
    with pytest.raises(CardError, match="folded"):
        graph.fold(graph.read(network), PREPROCESSING.model_copy(update={"transposed": True}))
