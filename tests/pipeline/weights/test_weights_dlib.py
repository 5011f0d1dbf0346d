"""Reading dlib's files: against a slow network written out by hand, against dlib itself, and with hostile bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from dlib_bytes import Network, integer, text
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Settings
from pipeline.errors import FetchError, ModelError
from pipeline.weights import ModelStore, load_cards
from pipeline.weights.dlib_file import read_dlib
from pipeline.weights.dlib_onnx import to_onnx
from pipeline.weights.transforms import transform_file

GOOD = Network().bytes()


def run(model: onnx.ModelProto | Path, pictures: np.ndarray) -> np.ndarray:
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = ort.InferenceSession(source, providers=["CPUExecutionProvider"])
    return np.array(session.run(None, {"input": pictures.transpose(0, 3, 1, 2).astype(np.float32)})[0])


@pytest.mark.parametrize("input_hw", [(21, 26), (24, 31), (40, 23)])
def test_a_network_gives_what_it_gives_by_hand(input_hw: tuple[int, int]) -> None:
    network = Network(seed=input_hw[0], input_hw=input_hw)
    model = to_onnx(read_dlib(network.bytes(), "net.dat"), "net.dat")
    onnx.checker.check_model(model, full_check=True)
    pictures = np.random.default_rng(3).integers(0, 256, (3, *input_hw, 3), np.uint8)
    expected = np.stack([network.run(picture) for picture in pictures])
    np.testing.assert_allclose(run(model, pictures), expected, rtol=1e-4, atol=1e-5)


def test_the_transform_writes_the_same_bytes_each_time(tmp_path: Path) -> None:
    source = tmp_path / "net.dat"
    source.write_bytes(GOOD)
    for name in ("one.onnx", "two.onnx"):
        transform_file(source, tmp_path / name, ("from_dlib",))
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()
    assert run(tmp_path / "one.onnx", np.zeros((1, 21, 26, 3), np.uint8)).shape == (1, 5)


def test_every_cut_is_refused_with_its_place() -> None:
    for end in range(0, len(GOOD), 7):
        with pytest.raises(FetchError, match=r"^net\.dat: is not a dlib network that can be read \(byte \d+: "):
            read_dlib(GOOD[:end], "net.dat")
    with pytest.raises(FetchError, match="more than a network has"):
        read_dlib(GOOD + b"\0", "net.dat")


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_are_read_or_refused_by_name(changes: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for place, value in changes:
        data[place] = value
    try:
        model = to_onnx(read_dlib(bytes(data), "net.dat"), "net.dat")
    except FetchError:
        return
    onnx.checker.check_model(model)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_by_name(data: bytes) -> None:
    for head in (b"", GOOD[:300]):
        with pytest.raises(FetchError, match=r"net\.dat"):
            read_dlib(head + data, "net.dat")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (text("relu_"), text("prelu"), "a layer that is not known, b'prelu'"),
        (text("loss_metric_2"), text("loss_multiclass_log_"), "a layer that is not known"),
        (integer(21) + integer(26), integer(21) + integer(70_000), "width is 70000"),
        (integer(3) + text("input"), integer(2) + text("input"), "version of a layer"),
        (b"110", b"1x0", "neither 0 nor 1"),
    ],
)
def test_what_is_wrong_is_said(old: bytes, new: bytes, why: str) -> None:
    if old.endswith(text("input")):  # without an innermost layer the versions never end
        old, new = integer(3) + text("input_rgb_image_sized"), integer(2) + text("input_rgb_image_sized")
    assert old in GOOD
    with pytest.raises(FetchError, match=why):
        read_dlib(GOOD.replace(old, new, 1), "net.dat")


def test_sizes_beyond_the_file_take_no_memory() -> None:
    place = GOOD.index(text("con_4")) + len(text("con_4")) + len(integer(2))
    huge = b"".join(integer(1_000_000) for _ in range(4))
    with pytest.raises(FetchError, match="size is 1000000"):
        read_dlib(GOOD[:place] + huge + GOOD[place:], "net.dat")
    with pytest.raises(FetchError, match="sizes that the file cannot hold"):
        read_dlib(GOOD[:place] + integer(1000) * 4 + GOOD[place:], "net.dat")


def test_weights_that_are_not_numbers_are_refused() -> None:
    network = Network()
    network.dense[2, 1] = np.nan
    with pytest.raises(FetchError, match="not a finite number"):
        read_dlib(network.bytes(), "net.dat")


def test_layers_that_do_not_fit_together_are_refused() -> None:
    network = Network()
    network.down[0] = network.conv(6, 5, 3)
    with pytest.raises(FetchError, match=r"layer \d+: 5 channels wanted, 4 given"):
        to_onnx(read_dlib(network.bytes(), "net.dat"), "net.dat")
    small = Network(input_hw=(4, 4)).bytes()
    with pytest.raises(FetchError, match="its window is larger than"):
        to_onnx(read_dlib(small, "net.dat"), "net.dat")


def waves(count: int) -> np.ndarray:
    """(count, 150, 150, 3) uint8: smooth pictures by a formula."""
    y, x, channel, number = np.ogrid[0:150, 0:150, 0:3, 0:count]
    phase = x * (0.02 + 0.03 * number) + y * (0.05 - 0.01 * number) + channel * (1 + number)
    return np.array(np.rint(127.5 + 127 * np.sin(phase)).astype(np.uint8).transpose(3, 0, 1, 2))


def test_descriptors_are_those_of_dlib_itself(models_home: Path, lacking) -> None:
    """`tests/golden/dlib_descriptors.json` holds what dlib 20.0.1 makes of these pictures."""
    store = ModelStore(Settings(home=models_home).models_dir)
    try:
        model = store.installed("dlib_resnet.v1")
    except ModelError as error:
        lacking(f"run `knownface models pull dlib_resnet.v1` ({error.code})")
    assert model.sha256 == load_cards()["dlib_resnet.v1"].sources[0].result_sha256
    golden = np.array(json.loads((Path(__file__).parents[2] / "golden/dlib_descriptors.json").read_text()))
    np.testing.assert_allclose(run(model.file, waves(len(golden))), golden, rtol=0, atol=5e-6)
