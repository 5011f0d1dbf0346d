"""pipeline.embed: what the network is fed, and what becomes of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.embed import EnsembleEmbedder, NetworkEmbedder
from pipeline.errors import CropError
from pipeline.images import open_photo
from pipeline.protocols import Array
from pipeline.types import FLIP_SUFFIX, AlignedFaces
from tests.fakes import FakeSession

DIMENSION = 6
WEIGHTS = np.random.default_rng(5).normal(size=(3 * 8 * 8, DIMENSION)) / 1000


def linear(inputs: Mapping[str, Array]) -> dict[str, Array]:
    blob = inputs["data"]
    return {"fc1": (blob.reshape(len(blob), -1) @ WEIGHTS).astype(np.float32)}


def session() -> FakeSession:
    return FakeSession(linear, inputs=("data",), outputs=("fc1",))


def faces(n: int, seed: int = 0) -> AlignedFaces:
    crops = np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 3), np.uint8)
    return AlignedFaces(crops, np.zeros((n, 2, 3), np.float32))


def embedder(network: FakeSession, **changes: Any) -> NetworkEmbedder:
    return NetworkEmbedder(network, model_id="net.tag@01234567", dimension=DIMENSION, **changes)


def slow(crop: np.ndarray, mean: float = 0.0, std: float = 1.0, bgr: bool = False) -> np.ndarray:
    """One face, pixel by pixel: channels first, (x - mean) / std."""
    planes = [[[(float(crop[y, x, c]) - mean) / std for x in range(8)] for y in range(8)] for c in range(3)]
    return np.array(planes[::-1] if bgr else planes)


@pytest.mark.parametrize("bgr", [False, True])
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (127.5, 127.5), (127.5, 128.0)])
def test_the_network_is_fed_planes_in_its_colour_order_and_range(bgr: bool, mean: float, std: float) -> None:
    network = session()
    some = faces(3)
    embedder(network, mean=mean, std=std, bgr=bgr).embed(some)
    (call,) = network.calls
    assert list(call) == ["data"]
    assert call["data"].dtype == np.float32
    expected = np.stack([slow(crop, mean, std, bgr) for crop in some.crops])
    np.testing.assert_allclose(call["data"], expected, rtol=1e-5, atol=1e-4)


def test_rows_are_of_unit_length_and_norms_are_those_before() -> None:
    some = faces(5)
    templates = embedder(session()).embed(some)
    assert templates.vectors.shape == (5, DIMENSION)
    for crop, row, norm in zip(some.crops, templates.vectors, templates.norms, strict=True):
        raw = slow(crop).reshape(-1) @ WEIGHTS
        length = sum(v * v for v in raw) ** 0.5
        assert norm == pytest.approx(length, rel=1e-4)
        np.testing.assert_allclose(row, raw / length, atol=1e-5)
    assert templates.model_id == "net.tag@01234567"


@pytest.mark.parametrize(("n", "batches"), [(0, []), (1, [1]), (8, [8]), (9, [8, 1]), (20, [8, 8, 4])])
def test_faces_go_through_in_batches_and_keep_their_order(n: int, batches: list[int]) -> None:
    network = session()
    some = faces(n)
    templates = embedder(network, max_batch=8).embed(some)
    assert [len(call["data"]) for call in network.calls] == batches
    assert templates.vectors.shape == (n, DIMENSION)
    alone = embedder(session(), max_batch=1)
    for row in range(n):
        np.testing.assert_allclose(templates.vectors[row], alone.embed(some[row : row + 1]).vectors[0], atol=1e-6)


def test_flip_fusion_is_the_mean_direction_of_both_images() -> None:
    some = faces(3)
    mirrored = AlignedFaces(np.ascontiguousarray(some.crops[:, :, ::-1]), some.transforms)
    plain = embedder(session())
    a, b = plain.embed(some).vectors, plain.embed(mirrored).vectors
    fused = embedder(session(), flip_fusion=True)
    templates = fused.embed(some)
    expected = (a + b) / np.linalg.norm(a + b, axis=1, keepdims=True)
    np.testing.assert_allclose(templates.vectors, expected, atol=1e-5)
    assert fused.model_id == templates.model_id == "net.tag@01234567" + FLIP_SUFFIX
    np.testing.assert_allclose(fused.embed(mirrored).vectors, templates.vectors, atol=1e-6)


def test_a_network_that_answers_nothing_is_refused() -> None:
    for answer in (0.0, np.nan):
        out = np.full((2, DIMENSION), answer, np.float32)
        dead = FakeSession(lambda inputs, out=out: {"fc1": out}, ("data",), ("fc1",))
        with pytest.raises(ValueError, match="unit"):
            embedder(dead).embed(faces(2))


def test_the_first_output_is_the_template() -> None:
    network = FakeSession(lambda i: {"other": np.zeros((2, 9)), **linear(i)}, ("data",), ("fc1", "other"))
    assert embedder(network).embed(faces(2)).vectors.shape == (2, DIMENSION)


def test_the_real_embedder_wants_rgb(sample_photos: Path) -> None:
    """Scores of one person fall when colours are swapped; this holds which order the card names."""
    from pipeline.build import build_recognizer

    recognizer = build_recognizer()
    one = recognizer.best_face(open_photo(sample_photos / "photos/barack-obama-2009.jpg"))
    other = recognizer.best_face(open_photo(sample_photos / "photos/barack-obama-2010.jpg"))

    def swapped(found: Any) -> AlignedFaces:
        return AlignedFaces(np.ascontiguousarray(found.aligned.crops[..., ::-1]), found.aligned.transforms)

    right = float(one.templates.scores(other.templates)[0, 0])
    wrong = float(one.templates.scores(recognizer.embed_aligned(swapped(other)))[0, 0])
    assert right > wrong + 0.02
    norms = recognizer.embed_aligned(swapped(one)).norms[0], one.templates.norms[0]
    assert norms[1] > 0


def views(n: int, *sides: int) -> AlignedFaces:
    """n faces, each cut out once for each side."""
    parts = []
    for number, side in enumerate(sides):
        crops = np.random.default_rng(number).integers(0, 256, (n, side, side, 3), np.uint8)
        parts.append(AlignedFaces(crops, np.zeros((n, 2, 3), np.float32)))
    return AlignedFaces(parts[0].crops, parts[0].transforms, tuple(parts[1:]))


def test_several_crops_are_averaged_as_unit_vectors() -> None:
    some = views(3, 8, 8, 8)
    templates = embedder(session(), zooms=(0.94, 1.06), flip_fusion=True).embed(some)
    assert templates.model_id == "net.tag@01234567+flip+zoom0.94_1.06"
    plain = embedder(session())
    for row in range(3):
        total = np.zeros(DIMENSION)
        for view in some.views:
            for crops in (view.crops, view.crops[:, :, ::-1]):
                one = AlignedFaces(np.ascontiguousarray(crops[row : row + 1]), np.zeros((1, 2, 3), np.float32))
                total += plain.embed(one).vectors[0]
        np.testing.assert_allclose(templates.vectors[row], total / np.linalg.norm(total), atol=1e-6)


def test_the_score_of_an_ensemble_is_the_weighted_mean_of_its_members() -> None:
    some = views(5, 8, 8)
    one, other = embedder(session()), embedder(session(), first_view=1, bgr=True)
    fused = EnsembleEmbedder([(one, 0.3), (other, 0.7)], model_id="a.b+c.d@01234567")
    assert fused.dimension == 2 * DIMENSION
    templates = fused.embed(some)
    assert templates.model_id == fused.model_id == "a.b+c.d@01234567"
    np.testing.assert_allclose(np.linalg.norm(templates.vectors, axis=1), 1, atol=1e-6)
    a, b = one.embed(some), other.embed(some)
    np.testing.assert_allclose(templates.scores(templates), 0.3 * a.scores(a) + 0.7 * b.scores(b), atol=1e-6)
    np.testing.assert_array_equal(templates.norms, a.norms)


def test_an_ensemble_of_no_faces() -> None:
    fused = EnsembleEmbedder([(embedder(session()), 0.5), (embedder(session()), 0.5)], model_id="a.b+c.d@01234567")
    none = AlignedFaces.concatenate([], 8)
    assert fused.embed(none).vectors.shape == (0, 2 * DIMENSION)


def test_crops_of_another_size_or_number_are_a_named_error() -> None:
    with pytest.raises(CropError, match="takes crops of 12x12 pixels, not 8x8"):
        embedder(session(), size=12).embed(faces(2))
    with pytest.raises(CropError, match="needs 3 views of each face, not 1"):
        embedder(session(), first_view=2).embed(faces(2))
