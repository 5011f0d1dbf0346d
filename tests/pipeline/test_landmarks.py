"""pipeline.landmarks: with a network whose answer is known, and with the real one held against its mirror image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from pipeline.images import from_array, open_photo
from pipeline.landmarks import OnetRefiner
from pipeline.protocols import Array
from pipeline.types import Detections
from tests.fakes import FakeSession, detections_at

# One pure colour for each landmark. A mirror exchanges left and right; the network of a face calls the eye on the
# left of what it sees the left one, so the colours of a pair stand for "whichever is on that side".
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255]], np.float32)
PLACES = np.array([[60.0, 50], [101, 54], [83, 77], [64, 104], [99, 101]])


def painted(places: np.ndarray, hw: tuple[int, int] = (160, 180), radius: float = 6.0) -> np.ndarray:
    """Discs of the five colours on black."""
    y, x = np.mgrid[0 : hw[0], 0 : hw[1]]
    picture = np.zeros((*hw, 3), np.uint8)
    for (px, py), colour in zip(places, COLOURS, strict=True):
        picture[(x - px) ** 2 + (y - py) ** 2 <= radius**2] = colour
    return picture


def weights(patch: np.ndarray) -> list[np.ndarray]:
    """How much of each colour is in each pixel of a patch in 0..255."""
    red, green, blue = (patch[..., c] / 255 for c in range(3))
    yellow, cyan = np.minimum(red, green), np.minimum(green, blue)
    return [red - yellow, green - np.maximum(yellow, cyan), blue - cyan, yellow, cyan]


def colour_network(inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Knows the centre of each colour, as fractions of the patch; x is the second axis once it is turned back.

    Pixel i of 48 is the fraction i/48. Left and right are named as the network sees them.
    """
    blob = inputs["input"]
    assert blob.shape[1:] == (48, 48, 3)
    patches = blob.transpose(0, 2, 1, 3) * 128.0 + 127.5
    assert patches.min() >= -0.01
    assert patches.max() <= 255.01
    rows = []
    for patch in patches:
        ys, xs = np.mgrid[0:48, 0:48]
        points = []
        for weight in weights(patch):
            total = max(float(weight.sum()), 1e-9)
            points.append(((xs * weight).sum() / total, (ys * weight).sum() / total))
        for a, b in ((0, 1), (3, 4)):  # left is what lies left
            if points[a][0] > points[b][0]:
                points[a], points[b] = points[b], points[a]
        rows.append([p[0] / 48 for p in points] + [p[1] / 48 for p in points])
    return {"boxes": np.zeros((len(blob), 4)), "points": np.array(rows, np.float32), "odds": np.zeros((len(blob), 2))}


def around(box: tuple[float, float, float, float], hw: tuple[int, int] = (160, 180)) -> Detections:
    return detections_at([box], hw)


@pytest.mark.parametrize(
    "box", [(32, 28, 128, 124), (40, 28, 120, 124), (36.5, 31.2, 129.9, 119.4), (33, 29, 130, 120)]
)
def test_the_landmarks_are_where_the_network_sees_them(box: tuple[float, float, float, float]) -> None:
    session = FakeSession(colour_network)
    refined = OnetRefiner(session).refine(from_array(painted(PLACES)), around(box))
    np.testing.assert_allclose(refined.landmarks[0], PLACES, atol=0.35)
    np.testing.assert_array_equal(refined.boxes, around(box).boxes)
    assert [call["input"].shape[0] for call in session.calls] == [2], "the patch and its mirror image, in one pass"


def test_the_second_pass_sees_the_mirror_image() -> None:
    session = FakeSession(colour_network)
    OnetRefiner(session).refine(from_array(painted(PLACES)), around((32, 28, 128, 124)))
    straight, mirrored = session.calls[0]["input"]
    np.testing.assert_array_equal(mirrored, straight[::-1])  # the first axis is x
    assert straight.dtype == np.float32


def test_both_passes_are_averaged() -> None:
    """Of 48 columns the straight pass says 12, the mirrored one 19, that is 28 seen from this side: 20."""

    def network(inputs: Mapping[str, Array]) -> dict[str, Array]:
        n = len(inputs["input"]) // 2
        x = np.repeat([[12 / 48], [19 / 48]], n, axis=0)
        return {"points": np.concatenate([np.repeat(x, 5, axis=1), np.full((2 * n, 5), 0.5)], axis=1)}

    refined = OnetRefiner(FakeSession(network)).refine(from_array(painted(PLACES)), around((20, 20, 120, 120)))
    np.testing.assert_allclose(refined.landmarks[0, :, 0], 20 + 100 * 20 / 48, atol=1e-3)
    np.testing.assert_allclose(refined.landmarks[0, :, 1], 20 + 50.0, atol=1e-3)


def test_left_and_right_change_places_in_the_mirror() -> None:
    """A network that gives each landmark its own x: after mirroring, eyes and mouth corners are exchanged."""
    seen = np.array([0.1, 0.9, 0.5, 0.2, 0.8])

    def network(inputs: Mapping[str, Array]) -> dict[str, Array]:
        n = len(inputs["input"]) // 2
        mirrored = 47 / 48 - seen[[1, 0, 2, 4, 3]]
        rows = [np.concatenate([seen, np.arange(5) / 10])] * n
        rows += [np.concatenate([mirrored, (np.arange(5) / 10)[[1, 0, 2, 4, 3]]])] * n
        return {"points": np.array(rows)}

    refined = OnetRefiner(FakeSession(network)).refine(from_array(painted(PLACES)), around((20, 20, 120, 120)))
    np.testing.assert_allclose(refined.landmarks[0, :, 0], 20 + 100 * seen, atol=1e-3)
    np.testing.assert_allclose(refined.landmarks[0, :, 1], 20 + 10.0 * np.arange(5), atol=1e-3)


def test_several_photos_share_passes_and_keep_their_faces() -> None:
    session = FakeSession(colour_network)
    moved = PLACES + np.array([30, 20])
    photos = [from_array(painted(PLACES)), from_array(np.zeros((9, 9, 3), np.uint8)), from_array(painted(moved))]
    found = [
        detections_at([(32, 28, 128, 124), (35, 30, 125, 120), (33, 29, 130, 120)], (160, 180)),
        Detections.empty((9, 9)),
        around((62, 48, 158, 144)),
    ]
    refined = OnetRefiner(session).refine_batch(photos, found)
    assert [len(r) for r in refined] == [3, 0, 1]
    np.testing.assert_allclose(refined[0].landmarks, [PLACES] * 3, atol=0.4)
    np.testing.assert_allclose(refined[2].landmarks, [moved], atol=0.4)
    assert len(session.calls) == 1


def test_many_faces_are_cut_into_batches() -> None:
    session = FakeSession(colour_network)
    found = detections_at([(32, 28, 128, 124)] * 70, (160, 180))
    refined = OnetRefiner(session).refine(from_array(painted(PLACES)), found)
    assert [call["input"].shape[0] for call in session.calls] == [128, 12]
    np.testing.assert_allclose(refined.landmarks, np.repeat(PLACES[None], 70, axis=0), atol=0.4)


def test_no_face_needs_no_network() -> None:
    session = FakeSession(colour_network)
    photo = from_array(np.zeros((9, 9, 3), np.uint8))
    assert len(OnetRefiner(session).refine(photo, Detections.empty((9, 9)))) == 0
    assert OnetRefiner(session).refine_batch([], []) == []
    assert session.calls == []


def test_a_box_that_reaches_past_the_photo_sees_black_there() -> None:
    session = FakeSession(lambda inputs: {"points": np.zeros((2, 10))})
    white = from_array(np.full((100, 100, 3), 255, np.uint8))
    OnetRefiner(session).refine(white, around((-50, 0, 50, 100), (100, 100)))
    patch = session.calls[0]["input"][0].transpose(1, 0, 2)[2:-2]
    assert (patch[:, :23] == np.float32(-127.5 / 128)).all()
    assert (patch[:, 25:] == np.float32(127.5 / 128)).all()


def test_a_large_face_is_refined_from_a_reduced_decode_alike(sample_photos: Path) -> None:
    """From a whole decode of a photo and from a reduced one the same landmarks come, to a fraction of a percent."""
    from pipeline.build import build_recognizer

    recognizer = build_recognizer()
    refiner = recognizer._refiner
    assert refiner is not None
    file = sample_photos / "photos/rishi-sunak.jpg"
    lazy, whole = open_photo(file), open_photo(file)
    whole.pixels()
    found = recognizer._detector.detect(lazy)[[0]]
    side = float(found.boxes[0, 3] - found.boxes[0, 1])
    one, other = refiner.refine(lazy, found), refiner.refine(whole, found)
    np.testing.assert_allclose(one.landmarks, other.landmarks, atol=0.01 * side)


def test_the_mirror_image_of_a_face_has_mirrored_landmarks(sample_photos: Path) -> None:
    """Landmarks that lean to one side would move every crop: half a pixel of the 48 is 1 % of the face."""
    from pipeline.build import build_recognizer

    recognizer = build_recognizer()
    refiner = recognizer._refiner
    assert refiner is not None
    leans = []
    for file in sorted(sample_photos.glob("photos/*")):
        pixels = open_photo(file).pixels()
        width = pixels.shape[1]
        photo, mirror = from_array(pixels), from_array(np.ascontiguousarray(pixels[:, ::-1]))
        found = recognizer._detector.detect(photo)[[0]]
        x0, y0, x1, y1 = found.boxes[0]
        boxes = np.array([[width - 1 - x1, y0, width - 1 - x0, y1]], np.float32)
        there = Detections(boxes, found.confidences, found.landmarks, found.image_hw)
        one = refiner.refine(photo, found).landmarks[0, :, 0]
        other = refiner.refine(mirror, there).landmarks[0, [1, 0, 2, 4, 3], 0]
        leans.append((one + other - (width - 1)) / 2 / max(x1 - x0, y1 - y0))
    assert len(leans) >= 7
    assert abs(np.mean(leans)) < 0.002, "as a share of the face"
