from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.build import build_recognizer
from pipeline.config import Settings
from pipeline.images import from_array, open_photo
from pipeline.images.jpeg_quality import jpeg_quality
from pipeline.quality import SENTENCES, advice, assess, generic_fit
from pipeline.quality.fit import unified
from pipeline.quality.pose import head_pose_deg
from pipeline.recognizer import Recognizer
from pipeline.types import QUALITY_COMPONENTS, AlignedFaces, Detections, Qualities, QualityFit, Templates
from pipeline.weights import load_cards

#: The generic face of pipeline.quality.pose, written out again: x right, y down, z to the viewer.
FACE = np.array([[-17.6, -21.9, 0], [17.6, -21.9, 0], [0, -1.8, 17.6], [-14.6, 18.8, 3.5], [14.6, 18.8, 3.5]])
TEMPLATE = np.array([[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]], np.float32)


def turned(yaw: float, pitch: float, roll: float) -> np.ndarray:
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@given(st.floats(-60, 60), st.floats(-50, 50), st.floats(-80, 80), st.floats(0.2, 50), st.floats(-500, 500))
def test_pose_of_the_generic_face_is_how_it_was_turned(
    yaw: float, pitch: float, roll: float, scale: float, shift: float
) -> None:
    seen = (FACE @ turned(yaw, pitch, roll).T)[:, :2] * scale + shift
    assert head_pose_deg(seen[None])[0] == pytest.approx([yaw, pitch, roll], abs=1e-6)


def test_pose_of_points_on_a_line_is_not_a_number() -> None:
    line = np.linspace([0, 0], [10, 10], 5)
    assert np.isnan(head_pose_deg(line[None])).all()


def one(crop: np.ndarray, jpeg: float | None = None, norm: float = 12.0) -> Qualities:
    found = Detections(
        np.array([[10, 10, 100, 110]], np.float32), np.array([0.94], np.float32), TEMPLATE[None], (112, 112)
    )
    vector = np.zeros((1, 4), np.float32)
    vector[0, 0] = 1
    templates = Templates(vector, np.array([norm], np.float32), "a.b@00000000")
    return assess(found, AlignedFaces(crop[None], np.zeros((1, 2, 3), np.float32)), templates, generic_fit(), jpeg)


def crop(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (112, 112))
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.2)
    grey = np.clip(128 + 55 * smooth / smooth.std(), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def component(qualities: Qualities, name: str) -> float:
    return float(qualities.components[0, QUALITY_COMPONENTS.index(name)])


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("sharpness", lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 5)),
        ("dynamic_range", lambda rgb: (rgb // 16 + 120).astype(np.uint8)),
        ("under_exposure", lambda rgb: rgb // 8),
        ("over_exposure", lambda rgb: np.clip(rgb.astype(int) + 125, 0, 255).astype(np.uint8)),
        ("illumination", lambda rgb: np.concatenate([rgb[:, :56] // 4, rgb[:, 56:] // 2 + 127], axis=1)),
    ],
)
def test_what_is_spoilt_shows_in_its_component_and_in_words(name: str, spoil) -> None:
    good, poor = one(crop()), one(np.ascontiguousarray(spoil(crop())))
    assert name not in advice(good, 0)
    assert component(poor, name) < component(good, name) - 20
    assert name in advice(poor, 0)
    assert SENTENCES[name]


def test_luminance_components_are_their_definitions() -> None:
    half = np.full((112, 112, 3), 200, np.uint8)
    half[:, :56] = 10  # both levels fill half of the ellipse, which is symmetrical about the middle
    found = one(half)
    assert component(found, "dynamic_range") == pytest.approx(12.5, abs=1e-3)  # one bit
    assert component(found, "under_exposure") == pytest.approx(50, abs=1e-3)
    assert component(found, "over_exposure") == 100
    assert component(found, "illumination") == 0


def test_distances_and_edges() -> None:
    landmarks = np.stack([TEMPLATE, TEMPLATE * 0.4])
    boxes = np.array([[-50, 0, 50, 100], [10, 10, 40, 40]], np.float32)
    found = Detections(boxes, np.array([0.9, 0.9], np.float32), landmarks.astype(np.float32), (112, 112))
    vectors = np.eye(2, dtype=np.float32)
    templates = Templates(vectors, np.array([10, 10], np.float32), "a.b@00000000")
    faces = AlignedFaces(np.stack([crop(), crop(1)]), np.zeros((2, 2, 3), np.float32))
    qualities = assess(found, faces, templates, generic_fit())
    column = QUALITY_COMPONENTS.index
    assert qualities.natives[:, column("inter_eye")] == pytest.approx([35.2, 35.2 * 0.4], abs=0.01)
    assert qualities.natives[:, column("completeness")] == pytest.approx([0.5, 1])
    assert {"completeness", "inter_eye"} <= set(advice(qualities, 0)) | set(advice(qualities, 1))
    assert qualities.row(0)["compression"] is None


def test_no_faces_have_no_quality() -> None:
    templates = Templates(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), "a.b@00000000")
    assert len(assess(Detections.empty((9, 9)), AlignedFaces.concatenate([], 112), templates, generic_fit())) == 0


@given(st.floats(0, 30), st.floats(0, 5), st.floats(0, 100), st.floats(0, 100))
def test_a_better_feature_never_makes_a_face_worse(norm: float, more: float, low: float, high: float) -> None:
    fit = load_cards()["sface.2021dec"].quality
    assert fit is not None
    low, high = sorted((low, high))
    table = np.full((3, len(QUALITY_COMPONENTS)), 50, np.float32)
    table[1], table[2] = low, high
    norms = np.array([norm, norm, norm + more], np.float32)
    values = unified(fit, table, norms, np.full(3, 0.9, np.float32))
    assert values[1] <= values[2]
    assert ((values >= 0) & (values <= 100)).all()


def test_unified_is_the_logistic_of_its_features() -> None:
    fit = QualityFit(offset=-3.0, norm=0.25, confidence=2.0, sharpness=1.5)
    table = np.full((1, len(QUALITY_COMPONENTS)), np.nan, np.float32)
    table[0, QUALITY_COMPONENTS.index("sharpness")] = 40
    z = -3 + 0.25 * 8 + 2 * 1 + 1.5 * 0.4  # -log10(1 - 0.9) = 1
    found = unified(fit, table, np.array([8], np.float32), np.array([0.9], np.float32))
    assert found[0] == pytest.approx(100 / (1 + np.exp(-z)), rel=1e-5)


@pytest.mark.parametrize("wrong", [{"norm": -0.1}, {"offset": float("nan")}, {"yaw": float("inf")}])
def test_a_fit_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="quality fit"):
        QualityFit(**{"offset": 0.0, **wrong})


def as_jpeg(rgb: np.ndarray, quality: int, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality, **options)
    return file.getvalue()


@pytest.mark.parametrize("quality", [5, 20, 50, 75, 90, 98])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_quality_of_a_jpeg_is_what_it_was_saved_with(quality: int, progressive: bool) -> None:
    data = as_jpeg(crop(), quality, progressive=progressive)
    assert jpeg_quality(data) == pytest.approx(quality, abs=2)


def test_other_files_and_broken_ones_have_no_jpeg_quality() -> None:
    data = as_jpeg(crop(), 80)
    assert jpeg_quality(b"\x89PNG") is None
    for length in range(40):
        assert jpeg_quality(data[:length]) is None
    assert from_array(crop()).jpeg_quality is None


@given(st.binary(max_size=200))
def test_any_bytes_have_a_jpeg_quality_or_none(data: bytes) -> None:
    found = jpeg_quality(b"\xff\xd8" + data)
    assert found is None or 1 <= found <= 100


@pytest.fixture(scope="module")
def recognizer(models_home: Path) -> Recognizer:
    return build_recognizer(Settings(home=models_home))


def test_real_photos_are_good_and_spoilt_ones_are_not(recognizer: Recognizer, sample_photos: Path) -> None:
    file = sorted((sample_photos / "enrol").rglob("*.jpg"))[0]
    photo = open_photo(file)
    good = recognizer.assess(recognizer.analyse(photo))
    assert good.unified[0] > 95
    assert good.row(0)["compression"] is not None
    assert advice(good, 0) == []
    pixels = photo.pixels()
    small = cv2.resize(pixels, None, fx=0.04, fy=0.04, interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(small, pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    poor = recognizer.assess(recognizer.analyse(from_array(blurred)))
    assert poor.unified[0] < good.unified[0] - 5
    assert "sharpness" in advice(poor, 0)
