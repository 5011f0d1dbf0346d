"""pipeline.warp: where pixels end up, from any resolution, without aliasing."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.transform
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.warp import scaled_source, warp

ONE = np.ones(2)


def smooth(height: int, width: int, scale: float = 1.0) -> np.ndarray:
    """A smooth picture sampled at pixel centres; `scale` is pixels of the original per pixel."""
    y, x = np.mgrid[0:height, 0:width]
    x, y = (x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5
    channels = [127 + 80 * np.sin(x / 37 + c) * np.cos(y / 29 - c) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def similarity(scale: float, angle: float, dx: float, dy: float) -> np.ndarray:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, dx], [s, c, dy]])


def slow_warp(pixels: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Every pixel of the crop by itself: where it lies in the source, and the bilinear mean there."""
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    crop = np.zeros((size, size, 3))
    for row in range(size):
        for column in range(size):
            x, y, _ = inverse @ [column, row, 1]
            x0, y0 = int(np.floor(x)), int(np.floor(y))
            for xi, yi, share in (
                (x0, y0, (x0 + 1 - x) * (y0 + 1 - y)),
                (x0 + 1, y0, (x - x0) * (y0 + 1 - y)),
                (x0, y0 + 1, (x0 + 1 - x) * (y - y0)),
                (x0 + 1, y0 + 1, (x - x0) * (y - y0)),
            ):
                if 0 <= xi < pixels.shape[1] and 0 <= yi < pixels.shape[0]:
                    crop[row, column] += share * pixels[yi, xi]
    return crop


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).max())


def test_the_identity_changes_nothing() -> None:
    picture = smooth(48, 48)
    np.testing.assert_array_equal(warp(picture, similarity(1, 0, 0, 0), ONE, 48), picture)


@pytest.mark.parametrize(
    "matrix", [similarity(0.7, 0.3, 5, -3), similarity(1.9, -1.2, -8.5, 60), similarity(1, 3, 30, 30)]
)
def test_a_warp_is_bilinear_and_black_outside(matrix: np.ndarray) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    # OpenCV rounds the place to 1/32 of a pixel: next to noise of full contrast that is up to 8 grey levels a side.
    assert np.abs(warp(picture, matrix, ONE, 24).astype(float) - slow_warp(picture, matrix, 24)).mean() < 2.5
    gentle = smooth(40, 50)
    inside = slow_warp(np.full_like(gentle, 255), matrix, 24).min(axis=-1) > 254.9
    assert difference(warp(gentle, matrix, ONE, 24)[inside], slow_warp(gentle, matrix, 24)[inside]) <= 1.5
    outside = slow_warp(np.full_like(gentle, 255), matrix, 24).max(axis=-1) == 0
    assert not warp(gentle, matrix, ONE, 24)[outside].any()


@given(
    st.floats(0.2, 3), st.floats(-3, 3), st.floats(-50, 50), st.floats(-50, 50), st.floats(0.2, 9), st.floats(0.2, 9)
)
@settings(max_examples=50)
def test_a_scaled_source_is_the_same_map(
    scale: float, angle: float, dx: float, dy: float, sx: float, sy: float
) -> None:
    matrix = similarity(scale, angle, dx, dy)
    other = scaled_source(matrix, np.array([sx, sy]))
    for x, y in ((0.0, 0.0), (17.0, 3.5), (-4.0, 99.0)):
        original = np.array([sx * (x + 0.5) - 0.5, sy * (y + 0.5) - 0.5])  # OpenCV's convention, cv2.resize
        np.testing.assert_allclose(
            other[:, :2] @ [x, y] + other[:, 2], matrix[:, :2] @ original + matrix[:, 2], atol=1e-6
        )


@pytest.mark.parametrize("reduction", [2, 4, 8])
@pytest.mark.parametrize("factor", [0.1, 0.21, 0.45, 0.8])
def test_a_reduced_source_gives_the_same_crop(reduction: int, factor: float) -> None:
    full, reduced = smooth(800, 640), smooth(800 // reduction, 640 // reduction, reduction)
    matrix = similarity(factor, 0.4, 0, 0)
    matrix[:, 2] = 24 - matrix[:, :2] @ [320, 400]
    wanted = warp(full, matrix, ONE, 48)
    got = warp(reduced, matrix, np.array([reduction, reduction], float), 48)
    white = np.full_like(reduced, 255)
    inside = warp(white, matrix, np.array([reduction, reduction], float), 48).min(axis=-1) == 255
    assert inside.mean() > 0.6
    assert difference(got[inside], wanted[inside]) <= 3, "half a pixel of displacement would be more"


@pytest.mark.parametrize("factor", [0.05, 0.13, 0.31, 0.49])
@pytest.mark.parametrize("angle", [0.0, 0.5])
def test_a_large_face_is_averaged_not_sampled(factor: float, angle: float) -> None:
    """A fine checkerboard becomes grey, as averaging makes it; picking single pixels would leave black and white."""
    board = np.indices((1200, 1200)).sum(axis=0) % 2 * 255
    picture = np.repeat(board[..., None], 3, axis=-1).astype(np.uint8)
    matrix = similarity(factor, angle, 0, 0)
    matrix[:, 2] = 24 - matrix[:, :2] @ [600, 600]
    crop = warp(picture, matrix, ONE, 48).astype(float)
    seen = warp(np.full_like(picture, 255), matrix, ONE, 48).min(axis=-1) == 255
    assert seen.mean() > 0.5
    assert crop[seen].mean() == pytest.approx(127.5, abs=4)
    # Up to twice too large nothing is averaged first; the bilinear mean alone still takes most of it away.
    assert crop[seen].std() < (10 if factor < 1 / 3 else 64)


@pytest.mark.parametrize("factor", [0.06, 0.2, 0.37])
def test_shrinking_does_not_displace(factor: float) -> None:
    picture = smooth(900, 1100)
    matrix = similarity(factor, -0.2, 3, 8)
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    ideal = skimage.transform.warp(
        picture, skimage.transform.AffineTransform(matrix=inverse), output_shape=(48, 48), order=1, preserve_range=True
    )
    inside = warp(np.full_like(picture, 255), matrix, ONE, 48).min(axis=-1) == 255
    inside[[0, -1]] = inside[:, [0, -1]] = False
    assert inside.any()
    got = warp(picture, matrix, ONE, 48)
    # One pixel of the crop is up to 16 of the source, a few grey levels a source pixel: half a crop pixel is seen.
    assert np.abs(got[inside].astype(float) - ideal[inside]).mean() < 2.0


def test_a_crop_wholly_outside_is_black() -> None:
    assert not warp(smooth(400, 400), similarity(0.2, 0, -500, -500), ONE, 48).any()
    assert not warp(smooth(400, 400), similarity(1, 0, 900, 0), ONE, 48).any()
