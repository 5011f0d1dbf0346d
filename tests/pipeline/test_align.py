"""pipeline.align: Umeyama's similarity against scikit-image and against brute force; crops of photos."""

from __future__ import annotations

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.data
import skimage.transform
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.align import ARCFACE_112, TEMPLATES, TemplateAligner, similarity_transforms
from pipeline.errors import DegenerateLandmarksError
from pipeline.images import from_array, open_photo
from pipeline.types import Detections
from tests.photo_bytes import encode

#: Read off the photo by hand: eyes, nose and mouth corners of Eileen Collins in scikit-image's 512x512 astronaut.
ASTRONAUT = np.array([[203, 104], [248, 107], [226, 129], [205, 141], [244, 144]], np.float32)

numbers = st.floats(-400, 400)
five_points = st.lists(st.tuples(numbers, numbers), min_size=5, max_size=5).map(np.array)


def umeyama(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Umeyama 1991, eq. 40 to 42, by SVD, as scikit-image has it."""
    return skimage.transform.SimilarityTransform.from_estimate(source, target).params[:2]


def residual(matrix: np.ndarray, source: np.ndarray, target: np.ndarray) -> float:
    return float(((source @ matrix[:, :2].T + matrix[:, 2] - target) ** 2).sum())


def placed(rng: np.random.Generator, noise: float) -> np.ndarray:
    angle, scale = rng.uniform(-np.pi, np.pi), np.exp(rng.uniform(-2, 3))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (ARCFACE_112 - 56) @ turn.T + rng.uniform(0, 2000, 2)
    return points + rng.normal(0, noise * scale * 20, (5, 2))


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.3])
def test_equals_scikit_image_on_noisy_faces(noise: float) -> None:
    rng = np.random.default_rng(7)
    faces = np.stack([placed(rng, noise) for _ in range(200)])
    got = similarity_transforms(faces, ARCFACE_112)
    for matrix, face in zip(got, faces, strict=True):
        np.testing.assert_allclose(matrix, umeyama(face, ARCFACE_112), rtol=1e-6, atol=1e-5)
        if noise == 0:
            assert residual(matrix, face, ARCFACE_112) < 1e-12


@given(five_points, st.floats(-0.01, 0.01), st.floats(-0.01, 0.01), st.floats(-1, 1), st.floats(-1, 1))
def test_no_nearby_similarity_is_better(points: np.ndarray, da: float, db: float, dx: float, dy: float) -> None:
    try:
        matrix = similarity_transforms(points[None], ARCFACE_112)[0]
    except DegenerateLandmarksError:
        assume(False)
    assert matrix[0, 0] == matrix[1, 1]
    assert matrix[0, 1] == -matrix[1, 0], "a rotation with a scale, never a mirror"
    other = matrix + np.array([[da, -db, dx], [db, da, dy]])
    assert residual(matrix, points, ARCFACE_112) <= residual(other, points, ARCFACE_112) + 1e-6


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    mirrored = ARCFACE_112 * [-1, 1]
    assert np.linalg.det(similarity_transforms(mirrored[None], ARCFACE_112)[0][:, :2]) > 0


@pytest.mark.parametrize(
    "points",
    [
        np.full((5, 2), 30.0),
        np.full((5, 2), 30.0) + np.eye(5, 2) * 0.2,
        np.full((5, 2), np.nan),
        np.where(np.eye(5, 2, dtype=bool), np.inf, ARCFACE_112),
    ],
    ids=["one point", "within a pixel", "nan", "infinite"],
)
def test_degenerate_points_are_a_named_error(points: np.ndarray) -> None:
    with pytest.raises(DegenerateLandmarksError):
        similarity_transforms(np.stack([ARCFACE_112, points]), ARCFACE_112)
    found = Detections(
        np.zeros((1, 4), np.float32), np.ones(1, np.float32), points[None].astype(np.float32), (100, 100)
    )
    with pytest.raises(DegenerateLandmarksError, match=r"^party\.jpg: "):
        TemplateAligner().align(from_array(np.zeros((100, 100, 3), np.uint8), "party.jpg"), found)


def test_points_on_a_line_still_determine_a_similarity() -> None:
    line = np.array([[0.0, 0], [0, 0], [1, 0], [0, 0], [0, 0]]) * 50
    matrix = similarity_transforms(line[None], ARCFACE_112)[0]
    assert np.isfinite(matrix).all()


def detections(*landmarks: np.ndarray, image_hw: tuple[int, int]) -> Detections:
    points = np.stack(landmarks).astype(np.float32)
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    return Detections(boxes, np.ones(len(points), np.float32), points, image_hw)


def blob(centres: np.ndarray, image_hw: tuple[int, int], radius: float) -> np.ndarray:
    """Soft white dots at these places (x, y), on black."""
    y, x = np.mgrid[0 : image_hw[0], 0 : image_hw[1]]
    dots = sum(np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * radius**2)) for cx, cy in centres)
    return np.repeat((255 * np.minimum(dots, 1))[..., None], 3, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.7, 6.0])
def test_what_lies_at_a_landmark_lands_at_the_template_point(scale: float) -> None:
    """Dots at the landmarks of a tilted face come out at the template's points: centres of pixels at whole numbers."""
    angle = 0.25
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    face = (ARCFACE_112 - 56) @ turn.T + [400.3, 380.8]
    photo = from_array(blob(face, (760, 800), 3 * max(scale, 1)))
    crop = TemplateAligner().align(photo, detections(face, image_hw=(760, 800))).crops[0, ..., 0].astype(float)
    y, x = np.mgrid[0:112, 0:112]
    for px, py in ARCFACE_112:
        near = crop * ((x - px) ** 2 + (y - py) ** 2 < 8**2)
        assert np.average(x, weights=near) == pytest.approx(px, abs=0.2)
        assert np.average(y, weights=near) == pytest.approx(py, abs=0.2)


def test_the_returned_transform_is_the_one_used() -> None:
    photo = from_array(skimage.data.astronaut())
    aligned = TemplateAligner().align(photo, detections(ASTRONAUT, image_hw=(512, 512)))
    matrix = aligned.transforms[0].astype(float)
    np.testing.assert_allclose(
        (matrix[:, :2] @ ASTRONAUT.T).T + matrix[:, 2], ARCFACE_112, atol=6, err_msg="landmarks near the template"
    )
    direct = cv2.warpAffine(photo.pixels(), matrix, (112, 112))
    assert np.abs(direct.astype(float) - aligned.crops[0]).mean() < 1.0


def test_the_astronaut_looks_out_of_her_crop() -> None:
    crop = (
        TemplateAligner()
        .align(from_array(skimage.data.astronaut()), detections(ASTRONAUT, image_hw=(512, 512)))
        .crops[0]
    )
    skin = crop[58:68, 50:62].reshape(-1, 3).mean(axis=0)  # bridge of the nose
    assert skin[0] > skin[1] > skin[2] > 60, "RGB: skin is redder than blue"
    eye, cheek = crop[49:56, 34:42].mean(), crop[65:73, 31:39].mean()
    assert eye < cheek - 20, "the eyes are dark, the cheeks are not"
    teeth, lip = crop[90:93, 48:64].mean(), crop[97:100, 50:60].reshape(-1, 3).mean(axis=0)
    assert teeth > 150, "she smiles"
    assert lip[0] > lip[2] + 30, "above a red lip"


def test_no_faces_give_no_crops() -> None:
    photo = from_array(np.zeros((20, 20, 3), np.uint8))
    assert TemplateAligner().align(photo, Detections.empty((20, 20))).crops.shape == (0, 112, 112, 3)


@pytest.mark.parametrize("face_px", [60, 150, 400, 900])
def test_a_reduced_decode_gives_the_crop_of_the_full_one(face_px: int) -> None:
    """A JPEG of 2400 pixels may be decoded smaller where the crop cannot use more; the crop stays what it was."""
    big = PIL.Image.fromarray(skimage.data.astronaut()).resize((2400, 2400), PIL.Image.Resampling.BICUBIC)
    data = encode(big, "JPEG", quality=95, subsampling=0)
    span = ASTRONAUT[1, 0] - ASTRONAUT[0, 0]
    # The same picture, with landmarks that call for a face of the wanted size around the same place.
    face = (ASTRONAUT - ASTRONAUT.mean(axis=0)) * (face_px / span / 2.2) + ASTRONAUT.mean(axis=0) * 2400 / 512
    found = detections(face, image_hw=(2400, 2400))
    lazy = open_photo(data)
    crop = TemplateAligner().align(lazy, found).crops[0].astype(float)
    whole = open_photo(data)
    whole.pixels()
    reference = TemplateAligner().align(whole, found).crops[0].astype(float)
    assert np.abs(crop - reference).mean() < 2
    # No displacement: moved by a pixel either way it fits worse.
    inner = (slice(4, -4), slice(4, -4))
    still = np.abs(crop - reference)[inner].mean()
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        assert np.abs(np.roll(crop, (dy, dx), (0, 1)) - reference)[inner].mean() > still + 0.2


def test_a_close_up_is_decoded_no_larger_than_it_is_needed() -> None:
    big = PIL.Image.fromarray(skimage.data.astronaut()).resize((2400, 2400))
    photo = open_photo(encode(big, "JPEG"))
    asked: list[int | None] = []

    class Spy:
        source, image_hw = photo.source, photo.image_hw

        def pixels(self, max_side: int | None = None) -> np.ndarray:
            asked.append(max_side)
            return photo.pixels(max_side)

    face = (ARCFACE_112 - 56) * 12 + 1200
    TemplateAligner().align(Spy(), detections(face, image_hw=(2400, 2400)))  # type: ignore[arg-type]
    assert asked[0] in (200, 201), "2400 pixels x 1/12"
    faces = np.stack([face, ARCFACE_112 * 0.5 + 300])
    TemplateAligner().align(Spy(), detections(*faces, image_hw=(2400, 2400)))  # type: ignore[arg-type]
    assert asked[1:] == [2400], "the smallest face decides"


def test_only_known_templates() -> None:
    assert TemplateAligner("arcface-112").size == 112
    assert TemplateAligner("dlib-150").size == 150
    assert sorted(TEMPLATES) == ["arcface-112", "dlib-150"]
    with pytest.raises(KeyError):
        TemplateAligner("another")
