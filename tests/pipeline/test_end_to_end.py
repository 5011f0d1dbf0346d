"""The whole pipeline with the real models: who is found, at which sizes, in which orientation."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from app.evaluation import evaluate_pairs, read_pairs
from app.photos import Upload, photos_in
from app.services import Services
from pipeline.boxes import box_iou
from pipeline.build import build_recognizer
from pipeline.config import Settings
from pipeline.images import from_array, open_photo
from pipeline.recognizer import Recognizer

REPORT = Path(__file__).resolve().parent.parent.parent / "docs" / "reports" / "lfw-dev" / "pairs"
GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "sample_scores.json"
#: One face each, cut so that nobody else is in the picture.
Portrait = tuple[str, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def recognizer(models_home: Path) -> Recognizer:
    return build_recognizer(Settings(home=models_home))


@pytest.fixture(scope="module")
def portraits(recognizer: Recognizer, sample_photos: Path) -> list[Portrait]:
    """Name, pixels and box (x0, y0, x1, y1) of the face of each sample photo."""
    found = []
    for file in photos_in(sample_photos):
        photo = open_photo(file)
        found.append((file.name, photo.pixels(), recognizer.best_face(photo).detections.boxes[0]))
    assert len(found) == 11
    return found


def services(models_home: Path, gallery: Path) -> Services:
    return Services(Settings(home=models_home, gallery=str(gallery)))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float(box_iou(a[None].astype(np.float32), b[None].astype(np.float32))[0, 0])


# --- who -------------------------------------------------------------------------------------------------------------


def test_scores_of_the_sample_photos_are_what_they_were(recognizer: Recognizer, sample_photos: Path) -> None:
    """Held to 0.01 against a golden file: colour order, alignment and preprocessing cannot change unseen.

    After a deliberate change, write it anew: `python -m tests.golden.write_sample_scores`.
    """
    from tests.golden.write_sample_scores import scores_of

    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    scores = scores_of(recognizer, sample_photos)
    assert set(scores) == set(golden["scores"])
    assert recognizer.model_id == golden["model_id"]
    assert scores == pytest.approx(golden["scores"], abs=0.01)


def test_everybody_enrolled_is_found_and_nobody_else_is_named(
    models_home: Path, dev_data: Path, tmp_path: Path
) -> None:
    app = services(models_home, tmp_path / "gallery")
    folder = dev_data / "people"
    items = [
        (person.name, photo) for person in sorted((folder / "enrol").iterdir()) for photo in sorted(person.iterdir())
    ]
    rows = list(app.enrol_many(items))
    assert [row.error for row in rows] == [None] * 9
    named = {
        Path(row.photo).name: sorted(decision.subject for decision in row.decisions if decision.subject)
        for row in app.identify(photos_in(folder / "photos"))
    }
    app.close()
    assert named == {
        "alex_lacamoire1.jpg": ["alex_lacamoire"],
        "johnsnow_test1.jpg": ["kit_harington"],
        "kit_with_rose.jpg": ["kit_harington", "rose_leslie"],
        "obama1.jpg": ["obama"],
        "obama_and_biden.jpg": ["biden", "obama"],
    }


@pytest.mark.slow
def test_lfw_dev(models_home: Path, dev_data: Path) -> None:
    """1,000 pairs through the whole pipeline, failures to acquire counted as errors."""
    folder = dev_data / "lfw-dev"
    app = services(models_home, Path("unused"))
    report = evaluate_pairs(app, folder / "images", read_pairs(folder / "pairs.txt")).as_dict()
    stated = json.loads((REPORT / "report.json").read_text(encoding="utf-8"))
    assert report["eer"] == pytest.approx(stated["eer"], abs=2e-3), f"{REPORT} is out of date"
    assert report["accuracy"]["mean"] == pytest.approx(stated["accuracy"]["mean"], abs=2e-3)
    assert (report["mated"], report["non_mated"]) == (500, 500)
    assert report["accuracy"]["mean"] >= 0.990
    (at_one_percent,) = (row for row in report["tar_at_fmr"] if row["fmr"] == 0.01)
    assert at_one_percent["tar"] >= 0.985
    assert report["fta"] <= 2


# --- which way up ----------------------------------------------------------------------------------------------------


def stored(upright: PIL.Image.Image, orientation: int) -> bytes:
    """A JPEG whose pixels are stored turned, with the EXIF value that turns them back."""
    back = {1: None, 2: PIL.Image.Transpose.FLIP_LEFT_RIGHT, 3: PIL.Image.Transpose.ROTATE_180}
    back |= {4: PIL.Image.Transpose.FLIP_TOP_BOTTOM, 5: PIL.Image.Transpose.TRANSPOSE, 6: PIL.Image.Transpose.ROTATE_90}
    back |= {7: PIL.Image.Transpose.TRANSVERSE, 8: PIL.Image.Transpose.ROTATE_270}
    method = back[orientation]
    turned = upright if method is None else upright.transpose(method)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    turned.save(out, "JPEG", quality=95, exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stored_turned_is_the_same_person_at_the_same_place(
    recognizer: Recognizer, sample_photos: Path, orientation: int
) -> None:
    with PIL.Image.open(sample_photos / "photos/barack-obama-2010.jpg") as image:
        upright = image.convert("RGB").crop((0, 0, image.width, image.height - 60))
    assert upright.width != upright.height
    plain = recognizer.best_face(open_photo(stored(upright, 1)))
    turned = recognizer.best_face(open_photo(stored(upright, orientation)))
    assert turned.detections.image_hw == (upright.height, upright.width)
    assert overlap(turned.detections.boxes[0], plain.detections.boxes[0]) > 0.95
    assert plain.templates.scores(turned.templates)[0, 0] > 0.98


# --- how large -------------------------------------------------------------------------------------------------------


def close_up(pixels: np.ndarray, box: np.ndarray, fill: float, side: int) -> tuple[np.ndarray, np.ndarray]:
    """A square photo in which the longer side of the face is `fill` of the frame, and where the face is in it."""
    span = float((box[2:] - box[:2]).max()) / fill
    factor = side / span
    centre = (box[:2] + box[2:]) / 2
    matrix = np.array([[factor, 0, side / 2 - centre[0] * factor], [0, factor, side / 2 - centre[1] * factor]])
    source = pixels if factor >= 1 else cv2.GaussianBlur(pixels, (0, 0), 0.5 / factor)
    frame = cv2.warpAffine(source, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    half = (box[2:] - box[:2]) * factor / 2
    return frame, np.concatenate([side / 2 - half, side / 2 + half])


@pytest.mark.parametrize("side", [112, 400, 1000, pytest.param(3000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("fill", [1.0, 1.3])
def test_a_face_that_fills_the_frame_is_found_once(
    recognizer: Recognizer, portraits: list[Portrait], fill: float, side: int
) -> None:
    for name, pixels, box in portraits:
        frame, there = close_up(pixels, box, fill, side)
        found = recognizer._detector.detect(from_array(frame, name))
        assert len(found) == 1, f"{name}: {found.boxes.round()} {found.confidences}"
        assert overlap(found.boxes[0], there) > 0.4, name


@pytest.mark.parametrize("side", [250, pytest.param(1600, marks=pytest.mark.slow)])
def test_a_close_up_is_still_the_same_person(recognizer: Recognizer, portraits: list[Portrait], side: int) -> None:
    for name, pixels, box in portraits:
        frame, _ = close_up(pixels, box, 1.0, side)
        plain = recognizer.best_face(from_array(pixels)).templates
        score = float(plain.scores(recognizer.best_face(from_array(frame)).templates)[0, 0])
        assert score > 0.6, name


def busy_scene(seed: int, height: int = 3000, width: int = 4000) -> np.ndarray:
    """Twelve megapixels of texture on every scale, with discs, boxes and lines: much to be mistaken for a face."""
    rng = np.random.default_rng(seed)
    scene = np.zeros((height, width, 3), np.float32)
    for octave in (4, 8, 16, 32, 64, 128, 256):
        noise = rng.normal(0, 1, (height // octave + 2, width // octave + 2, 3)).astype(np.float32)
        scene += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) * octave**0.6
    scene = (scene - scene.min()) / (scene.max() - scene.min()) * 255
    picture = scene.astype(np.uint8)
    for kind in range(300):
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        x, y, size = int(rng.integers(0, width)), int(rng.integers(0, height)), int(rng.integers(5, 120))
        if kind % 3 == 0:
            cv2.circle(picture, (x, y), size, colour, 4)
        elif kind % 3 == 1:
            cv2.rectangle(picture, (x, y), (x + size, y + size), colour, -1)
        else:
            cv2.line(picture, (x, y), (x + size, y - size), colour, 6)
    return picture


def put(scene: np.ndarray, portrait: Portrait, x: int, y: int, width_px: float) -> np.ndarray:
    """Pastes a head whose face is `width_px` wide about (x, y); returns the box of the face."""
    _, pixels, box = portrait
    factor = width_px / float(box[2] - box[0])
    centre, reach = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    x0, y0 = np.maximum(centre - reach, 0).astype(int)
    x1, y1 = np.minimum(centre + reach, pixels.shape[1::-1]).astype(int)
    head = cv2.resize(pixels[y0:y1, x0:x1], None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    left, top = x - head.shape[1] // 2, y - head.shape[0] // 2
    scene[top : top + head.shape[0], left : left + head.shape[1]] = head
    low, high = (box[:2] - [x0, y0]) * factor + [left, top], (box[2:] - [x0, y0]) * factor + [left, top]
    return np.concatenate([low, high])


def test_a_face_24_pixels_wide_is_found_in_twelve_megapixels(recognizer: Recognizer, portraits: list[Portrait]) -> None:
    """48 faces all over a busy photo: at least 47 are found, and nothing that is none."""
    scene, rng = busy_scene(1), np.random.default_rng(2)
    there = []
    for number in range(48):
        x = 250 + 500 * (number % 8) + int(rng.integers(-150, 150))
        y = 250 + 500 * (number // 8) + int(rng.integers(-150, 150))
        there.append(put(scene, portraits[number % len(portraits)], x, y, 24.0))
    found = recognizer._detector.detect(from_array(scene, "group.jpg"))
    hits = [max((overlap(box, other) for other in found.boxes), default=0.0) > 0.3 for box in there]
    false = [box.round() for box in found.boxes if max(overlap(box, other) for other in there) <= 0.3]
    assert sum(hits) >= 47
    assert false == []


def test_a_scene_without_faces_has_none(recognizer: Recognizer) -> None:
    assert len(recognizer._detector.detect(from_array(busy_scene(3, 1500, 2000)))) <= 1


# --- from bytes ------------------------------------------------------------------------------------------------------


def test_every_format_gives_the_same_identity(models_home: Path, sample_photos: Path, tmp_path: Path) -> None:
    app = services(models_home, tmp_path / "gallery")
    (row,) = app.enrol("Eileen Collins", [sample_photos / "photos/eileen-collins.png"])
    assert row.error is None
    with PIL.Image.open(sample_photos / "photos/eileen-collins.png") as image:
        picture = image.convert("RGB")
    uploads = []
    for kind, options in (("JPEG", {"quality": 90}), ("WEBP", {}), ("BMP", {}), ("TIFF", {}), ("GIF", {})):
        out = io.BytesIO()
        picture.save(out, kind, **options)
        uploads.append(Upload(kind, out.getvalue()))
    grey, wide = io.BytesIO(), io.BytesIO()
    picture.convert("L").save(grey, "PNG")
    picture.convert("CMYK").save(wide, "JPEG", quality=95)
    uploads += [Upload("grey", grey.getvalue()), Upload("CMYK", wide.getvalue())]
    for found in app.identify(uploads):
        assert [decision.subject for decision in found.decisions] == ["Eileen Collins"], found.photo
    app.close()
