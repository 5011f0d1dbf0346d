"""Folding and cleaning against a dequantisation written out by hand, and against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from weights_helpers import model_bytes, tensor

from pipeline.errors import FetchError
from pipeline.weights import ModelStore
from pipeline.weights.transforms import dequantize, transform_file

ALL = ("fold_dequantize", "dynamic_batch", "dynamic_size", "clean")


def by_hand(x: np.ndarray, scale: np.ndarray, zero: np.ndarray, axis: int, block: int) -> np.ndarray:
    """One element after the other, as the operator's definition has it."""
    out = np.zeros(x.shape, np.float32)
    for index in np.ndindex(*x.shape):
        at = list(index)
        at[axis] //= block
        out[index] = np.float32(int(x[index]) - int(zero[tuple(at)])) * scale[tuple(at)]
    return out


@given(
    shape=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    block=st.integers(1, 9),
    unsigned=st.booleans(),
    data=st.data(),
)
def test_blocks_are_dequantised_as_by_hand(shape: list[int], block: int, unsigned: bool, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    kind = np.uint8 if unsigned else np.int8
    low, high = np.iinfo(kind).min, np.iinfo(kind).max + 1
    x = rng.integers(low, high, shape).astype(kind)
    blocks = list(shape)
    blocks[axis] = -(-shape[axis] // block)
    scale = rng.uniform(0.001, 1, blocks).astype(np.float32)
    zero = rng.integers(low, high, blocks).astype(kind)
    result = dequantize(x, scale, zero, axis=axis, block_size=block)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, by_hand(x, scale, zero, axis % len(shape), block))


def test_per_tensor_and_per_channel() -> None:
    x = np.array([[1, 2, 3], [4, 5, 6]], np.int8)
    np.testing.assert_array_equal(dequantize(x, np.float32(0.5), None), x * 0.5)
    scale, zero = np.array([1, 10, 100], np.float32), np.array([1, 0, 3], np.int8)
    np.testing.assert_array_equal(dequantize(x, scale, zero, axis=1), [[0, 20, 0], [3, 50, 300]])
    np.testing.assert_array_equal(dequantize(x, scale[:2], zero[:2], axis=0), [[0, 1, 2], [40, 50, 60]])


def test_scales_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="scales of shape"):
        dequantize(np.zeros((4, 6), np.int8), np.ones((4, 2), np.float32), None, axis=1, block_size=2)


def quantised() -> tuple[bytes, np.ndarray, np.ndarray]:
    """A network shaped like YuNet's heads, with block-quantised weights and every oddity of the published files."""
    rng = np.random.default_rng(3)
    x = rng.integers(-128, 128, (6, 27)).astype(np.int8)
    scale = rng.uniform(0.001, 0.02, (6, 3)).astype(np.float32)
    zero = rng.integers(-5, 6, (6, 3)).astype(np.int8)
    bias, bias_scale, bias_zero = np.array([7], np.int8), np.array([0.25], np.float32), np.array([3], np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["b_q", "b_s", "b_z"], ["bias"], "/home/me/b", axis=0, block_size=64),
        helper.make_node("DequantizeLinear", ["w_q", "w_s", "w_z"], ["w_flat"], "/home/me/w", axis=1, block_size=9),
        helper.make_node("Reshape", ["w_flat", "w_shape"], ["w"]),
        helper.make_node("Conv", ["image", "w"], ["conv"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Constant", [], ["ratio"], value=numpy_helper.from_array(np.float32(0.4))),
        helper.make_node("Dropout", ["conv", "ratio"], ["kept"]),
        helper.make_node("Identity", ["kept"], ["same"]),
        helper.make_node("Add", ["same", "bias"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["nobody_reads_this"]),
        helper.make_node("Transpose", ["sum"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["last", "o_shape"], ["out"]),
    ]
    constants = {
        "w_q": x,
        "w_s": scale,
        "w_z": zero,
        "w_shape": np.array([6, 3, 3, 3], np.int64),
        "b_q": bias,
        "b_s": bias_scale,
        "b_z": bias_zero,
        "o_shape": np.array([1, 64, 6], np.int64),
        "unused": np.ones(1000, np.float32),
    }
    # 16 x 16 only; and inputs that no node reads any more, as conversion left them.
    inputs = [tensor("image", [1, 3, 16, 16]), tensor("w_fp32_of_old", [6, 3, 3, 3]), tensor("unused", [1000])]
    weights = by_hand(x, scale, zero, 1, 9).reshape(6, 3, 3, 3)
    return model_bytes(nodes, inputs, [tensor("out", [1, 64, 6])], constants), weights, np.float32([(7 - 3) * 0.25])


def expected(images: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Convolution of stride 2 with padding 1, as sums."""
    n, _, height, width = images.shape
    padded = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = np.zeros((n, height // 2, width // 2, 6))
    for r in range(height // 2):
        for c in range(width // 2):
            patch = padded[:, :, 2 * r : 2 * r + 3, 2 * c : 2 * c + 3]
            out[:, r, c] = np.einsum("nchw,ochw->no", patch, weights.astype(np.float64)) + bias[0]
    return out.reshape(n, -1, 6)


def transformed(data: bytes, folder: Path, steps: tuple[str, ...] = ALL) -> Path:
    source, target = folder / "in.onnx", folder / "out.onnx"
    source.write_bytes(data)
    transform_file(source, target, steps)  # type: ignore[arg-type]
    return target


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 16), (1, 8, 24), (2, 32, 10)])
def test_the_folded_network_computes_the_same_at_every_size(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    data, weights, bias = quantised()
    session = ort.InferenceSession(transformed(data, tmp_path), providers=["CPUExecutionProvider"])
    n, height, width = shape
    images = np.random.default_rng(4).uniform(0, 255, (n, 3, height, width)).astype(np.float32)
    got = session.run(None, {"image": images})[0]
    np.testing.assert_allclose(got, expected(images, weights, bias), rtol=1e-4, atol=1e-2)


def test_what_has_no_effect_is_gone(tmp_path: Path) -> None:
    file = transformed(quantised()[0], tmp_path)
    model = onnx.load(file)
    assert [node.op_type for node in model.graph.node] == ["Conv", "Add", "Transpose", "Reshape"]
    assert [i.name for i in model.graph.input] == ["image"]
    assert "unused" not in {i.name for i in model.graph.initializer}
    assert b"somebody" not in file.read_bytes()
    assert b"/home" not in file.read_bytes()
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == ["N", 3, "H", "W"]
    assert (model.ir_version, model.opset_import[0].version) == (10, 21)


def test_the_result_is_the_same_every_time(tmp_path: Path) -> None:
    data = quantised()[0]
    first = transformed(data, tmp_path).read_bytes()
    assert transformed(data, tmp_path).read_bytes() == first
    assert onnx.load_from_string(first).SerializeToString(deterministic=True) == first
    assert transformed(first, tmp_path).read_bytes() == first  # and nothing is left to do


def test_no_steps_copy_the_bytes(tmp_path: Path) -> None:
    data = quantised()[0]
    assert transformed(data, tmp_path, ()).read_bytes() == data


@pytest.mark.parametrize("data", [b"", b"not onnx at all", quantised()[0][:400]])
def test_rubbish_is_a_named_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(FetchError, match=r"in\.onnx: is not an ONNX model"):
        transformed(data, tmp_path)


def test_yunet_as_installed_takes_any_size_and_batch(models_home: Path) -> None:
    file = ModelStore(models_home / "models").installed("yunet.2023mar").file
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(5)
    for height, width in ((320, 320), (480, 640)):
        images = rng.uniform(0, 255, (3, 3, height, width)).astype(np.float32)
        batch = session.run(None, {"input": images})
        assert [out.shape[1] for out in batch[:3]] == [height * width // s**2 for s in (8, 16, 32)]
        for i in range(3):
            alone = session.run(None, {"input": images[i : i + 1]})
            for one, many in zip(alone, batch, strict=True):
                np.testing.assert_allclose(many[i], one[0], rtol=1e-3, atol=1e-4)


def test_sface_as_installed_embeds_in_batches(models_home: Path) -> None:
    file = ModelStore(models_home / "models").installed("sface.2021dec").file
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    faces = np.random.default_rng(6).uniform(0, 255, (3, 3, 112, 112)).astype(np.float32)
    batch = session.run(None, {"data": faces})[0]
    assert batch.shape == (3, 128)
    for i in range(3):
        alone = session.run(None, {"data": faces[i : i + 1]})[0]
        np.testing.assert_allclose(batch[i], alone[0], rtol=1e-3, atol=1e-4)
