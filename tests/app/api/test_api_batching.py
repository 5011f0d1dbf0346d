"""Requests share passes: the results are those of one photo at a time, and nothing waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.api.batching import Batcher
from app.api.problems import RefusedError
from pipeline.errors import DegenerateLandmarksError, PhotoError
from pipeline.images import Photo, from_array, open_photo
from pipeline.recognizer import Faces, Recognizer
from pipeline.types import Detections
from tests import fakes
from tests.fakes import BLUE, DEGENERATE, GREEN, RED, bars


class Gated(fakes.FakeDetector):
    """Waits for a sign before each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.entered = threading.Event(), threading.Event()

    def detect_batch(self, photos: Sequence[Photo]) -> list[Detections]:
        self.entered.set()
        assert self.go.wait(120)
        return super().detect_batch(photos)


def gated() -> tuple[Gated, Recognizer]:
    detector = Gated()
    return detector, Recognizer(detector, None, fakes.FakeAligner(), fakes.FakeEmbedder())


def some() -> list[Photo]:
    colours = [(RED,), (GREEN, BLUE), (DEGENERATE,), (BLUE,), (), (RED, GREEN)]
    return [from_array(bars(*one), f"{number}.png") for number, one in enumerate(colours)]


def test_pixels_are_let_go_as_soon_as_a_photo_was_looked_at(tmp_path: Path) -> None:
    """A request waits for up to a hundred photos, whose files may be a thousandth of their pixels."""
    photos = [open_photo(fakes.write_bars(tmp_path / f"{n}.png", RED, note=n)) for n in range(3)]
    batcher = Batcher(fakes.fake_recognizer, workers=1, most=2)
    assert all(isinstance(one, Faces) for one in batcher.analyse_all(photos))
    batcher.close()
    assert [photo._decoded for photo in photos] == [{}] * 3
    assert [photo.pixels().shape for photo in photos] == [bars(RED).shape] * 3  # decoded anew


def test_what_waits_together_is_looked_at_together_with_the_same_results() -> None:
    photos, alone = some(), fakes.fake_recognizer()
    detector, recognizer = gated()
    sizes: list[int] = []
    batcher = Batcher(lambda: recognizer, workers=1, most=8, seen=sizes.append)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher.analyse, photos[0])
        assert detector.entered.wait(120)
        rest = [pool.submit(batcher.analyse_all, [photo]) for photo in photos]
        while batcher.waiting < len(photos):
            threading.Event().wait(0.001)
        detector.go.set()
        found = [future.result()[0] for future in rest]
        assert len(first.result()) == 1
    batcher.close()
    assert sizes == [1, len(photos)]
    for photo, faces in zip(photos, found, strict=True):
        (wanted,) = alone.analyse_batch([photo])
        assert type(faces) is type(wanted)
        if isinstance(faces, Faces) and isinstance(wanted, Faces):
            assert (faces.source, faces.photo_sha256) == (wanted.source, wanted.photo_sha256)
            np.testing.assert_array_equal(faces.templates.vectors, wanted.templates.vectors)
            np.testing.assert_array_equal(faces.detections.boxes, wanted.detections.boxes)
    assert isinstance(found[2], DegenerateLandmarksError)


def test_no_worker_takes_what_another_could_begin_with() -> None:
    detector, recognizer = gated()
    sizes: list[int] = []
    batcher = Batcher(lambda: recognizer, workers=2, most=8, seen=sizes.append)
    with ThreadPoolExecutor(8) as pool:
        first = [pool.submit(batcher.analyse, photo) for photo in some()[:2]]
        while len(sizes) < 2:
            threading.Event().wait(0.001)
        rest = [pool.submit(batcher.analyse_all, [photo]) for photo in some()]
        while batcher.waiting < len(some()):
            threading.Event().wait(0.001)
        detector.go.set()
        for future in [*first, *rest]:
            future.result()
    batcher.close()
    assert sizes[:3] == [1, 1, 3]
    assert sum(sizes) == 8


def test_too_many_that_wait_are_refused_and_the_others_are_answered() -> None:
    detector, recognizer = gated()
    batcher = Batcher(lambda: recognizer, workers=1, most=1, waiting=2)
    photo = from_array(bars(RED), "a.png")
    with ThreadPoolExecutor(4) as pool:
        under_way = [pool.submit(batcher.analyse, photo)]
        assert detector.entered.wait(120)
        with pytest.raises(RefusedError) as refused:
            batcher.analyse_all([photo] * 3)
        assert refused.value.code == "overloaded"
        detector.go.set()
        assert all(len(future.result()) == 1 for future in under_way)
        assert len(batcher.analyse(photo)) == 1
    batcher.close()


def test_an_error_nobody_foresaw_reaches_whoever_asked_and_the_worker_goes_on() -> None:
    broken = True

    def recognizer() -> Recognizer:
        if broken:
            raise ZeroDivisionError
        return fakes.fake_recognizer()

    batcher = Batcher(recognizer, workers=1)
    photo = from_array(bars(RED), "a.png")
    with pytest.raises(ZeroDivisionError):
        batcher.analyse(photo)
    broken = False
    assert len(batcher.analyse(photo)) == 1
    with pytest.raises(PhotoError):
        batcher.analyse(some()[2])
    batcher.close()
