"""pipeline.detect: heads against cell by cell oracles; scales, batches and merging with networks of known answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image
import pytest

from pipeline.detect import DetectionSettings, MultiScaleDetector, Raw, YuNetHead
from pipeline.images import from_array, open_photo
from pipeline.protocols import Array
from pipeline.types import Detections
from tests.fakes import FakeSession, outputs_of_yunet
from tests.photo_bytes import encode

MARK = (255, 0, 0)  # red: RGB order matters


def photo_with_mark(
    height: int, width: int, box: tuple[int, int, int, int], colour: tuple[int, int, int] = MARK
) -> Any:
    picture = np.full((height, width, 3), 60, np.uint8)
    x0, y0, x1, y1 = box
    picture[y0:y1, x0:x1] = colour
    return from_array(picture)


def red_network(inputs: Mapping[str, Array]) -> dict[str, Array]:
    """A YuNet that "detects" the red of each picture: its box, and five points inside it. Expects BGR in 0..255.

    The centre of gravity of red is exact whatever the scale, since area averaging preserves it.
    """
    blob = inputs["input"]
    batch, _, height, width = blob.shape
    out = outputs_of_yunet(batch, height, width)
    for image in range(batch):
        blue, green, red = blob[image]
        weight = np.clip(red - np.maximum(blue, green), 0, None)
        if weight.max() < 150:
            continue
        ys, xs = np.mgrid[0:height, 0:width]
        x, y = float(np.average(xs, weights=weight)), float(np.average(ys, weights=weight))
        side = math.sqrt(float(weight.sum()) / 255.0)
        stride = 8 if side < 64 else 16 if side < 160 else 32
        column, row = int(x // stride), int(y // stride)
        cell = row * (width // stride) + column
        out[f"cls_{stride}"][image, cell] = 0.9
        out[f"obj_{stride}"][image, cell] = 0.9 if side < 64 else 0.8
        out[f"bbox_{stride}"][image, cell] = [
            x / stride - column, y / stride - row, math.log(side / stride), math.log(side / stride)
        ]  # fmt: skip
        points = [(x - side / 4, y - side / 4), (x + side / 4, y - side / 4), (x, y), (x, y + side / 4), (x, y)]
        out[f"kps_{stride}"][image, cell] = [v for px, py in points for v in (px / stride - column, py / stride - row)]
    return out


def detector(session: FakeSession, *, max_batch: int = 16, **changes: Any) -> MultiScaleDetector:
    head = YuNetHead()
    head.max_batch = max_batch
    return MultiScaleDetector(session, head, DetectionSettings(**changes))


def red_session() -> FakeSession:
    return FakeSession(red_network)


def sizes(session: FakeSession) -> list[tuple[int, ...]]:
    return [call["input"].shape for call in session.calls]


# --- scales ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width", "canvases"),
    [
        (320, 320, [(320, 320)]),
        (250, 250, [(320, 320)]),  # enlarged
        (100, 50, [(320, 160)]),
        (1, 1, [(320, 320)]),
        (480, 640, [(480, 640), (128, 160)]),
        (300, 400, [(320, 416), (128, 160)]),  # padded to multiples of 32
        (1280, 960, [(1280, 960), (320, 256)]),
        (2560, 1280, [(2560, 1280), (640, 320), (160, 96)]),
        (4000, 3000, [(3264, 2464), (832, 640), (224, 160)]),
        (30, 4000, [(32, 3264), (32, 832), (32, 224)]),
    ],
)
def test_scales_of_a_photo(height: int, width: int, canvases: list[tuple[int, int]]) -> None:
    session = red_session()
    detector(session).detect(from_array(np.zeros((height, width, 3), np.uint8)))
    assert sorted((shape[2:] for shape in sizes(session)), reverse=True) == canvases


def test_padding_is_black_right_and_below() -> None:
    session = red_session()
    detector(session).detect(from_array(np.full((330, 350, 3), 77, np.uint8)))
    large = session.calls[0]["input"][0]
    assert large.shape == (3, 352, 352)
    assert (large[:, :330, :350] == 77).all()
    assert not large[:, 330:].any()
    assert not large[:, :, 350:].any()


@pytest.mark.parametrize(
    ("hw", "box"),
    [
        ((320, 320), (100, 60, 140, 100)),
        ((250, 250), (10, 100, 60, 150)),  # 1.28 times larger in the network
        ((200, 97), (20, 130, 60, 170)),  # both axes rounded
        ((1280, 1280), (400, 800, 480, 880)),  # found at both scales
        ((4000, 3000), (2000, 3100, 2600, 3700)),  # reduced to 3264
        ((5003, 3001), (2500, 4100, 2560, 4160)),  # sides that divide by nothing
    ],
)
def test_places_come_back_in_pixels_of_the_original(hw: tuple[int, int], box: tuple[int, int, int, int]) -> None:
    found = detector(red_session()).detect(photo_with_mark(*hw, box))
    assert len(found) == 1
    assert found.image_hw == hw
    # Centres of pixels lie at whole numbers: those of the mark go from x0 to x1 - 1.
    x, y = (box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2
    step = max(1.0, max(hw) / 3264, 1 / (max(hw) / 320))
    assert found.landmarks[0, 2].tolist() == pytest.approx([x, y], abs=0.1 * step)
    assert (found.boxes[0, :2] + found.boxes[0, 2:]).tolist() == pytest.approx([2 * x, 2 * y], abs=0.2 * step)
    assert (found.boxes[0, 2:] - found.boxes[0, :2]).tolist() == pytest.approx([box[2] - box[0]] * 2, rel=0.05)


def test_a_reduced_jpeg_gives_the_same_places() -> None:
    mark = photo_with_mark(4096, 4096, (1200, 2000, 1520, 2320))
    jpeg = open_photo(encode(PIL.Image.fromarray(mark.pixels()), "JPEG", quality=95, subsampling=0))
    settings = {"max_side": 1024}
    one, other = detector(red_session(), **settings).detect(mark), detector(red_session(), **settings).detect(jpeg)
    np.testing.assert_allclose(other.landmarks, one.landmarks, atol=0.5)
    assert one.landmarks[0, 2].tolist() == pytest.approx([1359.5, 2159.5], abs=0.5)


# --- batches ---------------------------------------------------------------------------------------------------------


def test_photos_of_one_size_go_through_together() -> None:
    session = red_session()
    photos = [photo_with_mark(320, 320, (10 + 10 * i, 60, 50 + 10 * i, 100)) for i in range(20)]
    found = detector(session).detect_batch(photos)
    assert [shape[0] for shape in sizes(session)] == [8, 8, 4]
    for i, one in enumerate(found):
        assert one.landmarks[0, 2, 0] == pytest.approx(29.5 + 10 * i, abs=0.1), "each photo has its own result"


def test_batches_keep_to_their_limit() -> None:
    session = red_session()
    photos = [photo_with_mark(160, 320, (10, 60, 50, 100)) for _ in range(5)]
    detector(session, max_batch=2).detect_batch(photos)
    assert [shape[0] for shape in sizes(session)] == [2, 2, 1]


def test_photos_of_several_sizes_are_grouped_and_come_back_in_order() -> None:
    session = red_session()
    hws = [(320, 320), (640, 640), (320, 320), (250, 250), (640, 640)]
    photos = [photo_with_mark(*hw, (20 + 9 * i, 60, 60 + 9 * i, 100)) for i, hw in enumerate(hws)]
    found = detector(session).detect_batch(photos)
    assert sorted((shape[0], shape[2]) for shape in sizes(session)) == [(2, 160), (2, 640), (3, 320)]
    for i, (photo, one) in enumerate(zip(photos, found, strict=True)):
        assert one.image_hw == photo.image_hw
        assert one.landmarks[0, 2, 0] == pytest.approx(39.5 + 9 * i, abs=0.5)
    assert detector(session).detect_batch([]) == []


# --- merging ---------------------------------------------------------------------------------------------------------


class StubHead:
    """Gives one prepared Raw per scale, whatever the network says."""

    max_batch = 16

    def __init__(self, *raws: Raw) -> None:
        self._raws = list(raws)

    def blob(self, canvases: Any) -> Array:
        return np.zeros((len(canvases), 3, *canvases[0].shape[:2]), np.float32)

    def decode(self, outputs: dict[str, Array], canvas_hw: tuple[int, int], min_confidence: float) -> list[Raw]:
        return [self._raws.pop(0)]


def raw(*rows: tuple[float, float, float, float, float]) -> Raw:
    array = np.array(rows, np.float32).reshape(-1, 5)
    centre = (array[:, None, 0:2] + array[:, None, 2:4]) / 2
    return Raw(array[:, :4], array[:, 4], np.repeat(centre, 5, axis=1).astype(np.float32))


def merged(*raws: Raw, hw: tuple[int, int] = (640, 640), **changes: Any) -> Detections:
    session = FakeSession(lambda inputs: {"output": np.zeros(1)})
    return MultiScaleDetector(session, StubHead(*raws), DetectionSettings(**changes)).detect(
        from_array(np.zeros((*hw, 3), np.uint8))
    )


def test_a_face_found_at_two_scales_is_one_face() -> None:
    """At 640 and at 160 pixels, where a pixel is four: the more confident box is kept, whichever scale it is from."""
    fine, coarse = raw((200, 200, 300, 300, 0.7)), raw((50, 50, 75, 75, 0.9))
    found = merged(fine, coarse)
    assert found.confidences.tolist() == pytest.approx([0.9])
    assert found.boxes[0].tolist() == pytest.approx([201.5, 201.5, 301.5, 301.5])
    assert len(merged(raw((200, 200, 300, 300, 0.7)), raw((100, 100, 125, 125, 0.9)))) == 2
    assert len(merged(raw((200, 200, 300, 300, 0.7)), raw((40, 40, 65, 65, 0.9)), nms_iou=0.9)) == 2


def test_what_looks_like_a_face_of_half_the_canvas_is_left_to_the_coarser_scale() -> None:
    """At full scale a cheek can look like a face; a scale coarser the real one is small enough to be seen whole."""
    cheek, face = raw((100, 100, 430, 400, 0.99)), raw((25, 20, 140, 150, 0.7))
    assert merged(cheek, raw()).boxes.tolist() == []
    assert merged(cheek, face).boxes[0].tolist() == pytest.approx([101.5, 81.5, 561.5, 601.5])
    just = raw((100, 100, 400, 420, 0.9))
    assert len(merged(just, raw())) == 1
    assert len(merged(raw((0, 0, 350, 350, 0.9)), hw=(320, 320))) == 1, "where no coarser scale follows it is kept"


def test_small_and_broken_boxes_are_dropped() -> None:
    nan, inf = float("nan"), float("inf")
    rows = raw(
        (0, 0, 15, 40, 0.9),
        (100, 100, 116, 130, 0.9),
        (nan, 0, 50, 50, 0.9),
        (200, 200, inf, 250, 0.9),
        (9, 9, 2, 2, 0.9),
    )
    found = merged(rows, raw())
    assert found.boxes.tolist() == [[100, 100, 116, 130]]
    assert len(merged(rows, raw(), min_face=0)) == 2
    broken = raw((100, 100, 150, 150, 0.9))
    broken.landmarks[0, 3, 1] = nan
    assert len(merged(broken, raw())) == 0


def test_the_most_prominent_face_comes_first() -> None:
    edge, middle, tiny = (0, 0, 120, 120, 0.95), (280, 280, 360, 360, 0.9), (500, 320, 520, 340, 0.99)
    found = merged(raw(edge, tiny, middle), raw())
    assert found.boxes[:, 0].tolist() == [280, 0, 500]


def test_the_least_confidence_is_handed_to_the_head() -> None:
    mark = photo_with_mark(320, 320, (100, 100, 140, 140))
    assert len(detector(red_session(), min_confidence=0.89).detect(mark)) == 1
    assert len(detector(red_session(), min_confidence=0.91).detect(mark)) == 0
