"""pipeline.recognizer with fakes: order, errors as rows, bounded look-ahead, threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DegenerateLandmarksError, ModelMismatchError, NoFaceError, PhotoDamagedError, PhotoError
from pipeline.images import Photo, from_array, open_photo
from pipeline.recognizer import Faces, Recognizer, compare, no_face
from pipeline.types import AlignedFaces, Detections, Templates
from tests.fakes import (
    BLUE,
    DEGENERATE,
    GREEN,
    MODEL_ID,
    RED,
    FakeAligner,
    FakeDetector,
    FakeEmbedder,
    FakeRefiner,
    bars,
    fake_recognizer,
    vector_of,
    write_bars,
)


def photo(*colours: tuple[int, int, int], name: str = "p") -> Photo:
    return from_array(bars(*colours), name)


def identities(faces: Faces) -> list[tuple[int, ...]]:
    """The colours of the faces, read off crops; their templates and boxes must belong to the same faces."""
    colours = [tuple(int(v) for v in crop[0, 0]) for crop in faces.aligned.crops]
    for colour, vector in zip(colours, faces.templates.vectors, strict=True):
        np.testing.assert_array_equal(vector, vector_of(colour))
    assert len(faces.detections) == len(faces.templates) == len(faces)
    return colours


def test_every_face_of_a_photo_with_all_its_parts() -> None:
    source = photo(RED, BLUE)
    faces = fake_recognizer().analyse(source)
    assert identities(faces) == [RED, BLUE]
    assert faces.detections.boxes[:, 0].tolist() == [0, 40]
    assert (faces.source, faces.photo_sha256) == ("p", source.sha256)
    empty = fake_recognizer().analyse(photo())
    assert len(empty) == 0
    assert empty.templates.model_id == MODEL_ID


def test_a_batch_shares_passes_and_gives_each_photo_its_own() -> None:
    detector, embedder = FakeDetector(), FakeEmbedder()
    recognizer = Recognizer(detector, None, FakeAligner(), embedder)
    results = recognizer.analyse_batch([photo(RED), photo(), photo(GREEN, BLUE), photo(BLUE)])
    assert [identities(r) for r in results if isinstance(r, Faces)] == [[RED], [], [GREEN, BLUE], [BLUE]]
    assert detector.batches == [4]
    assert embedder.batches == [4]
    assert recognizer.analyse_batch([]) == []


def test_the_refiner_is_used_where_there_is_one() -> None:
    plain, refined = fake_recognizer(), fake_recognizer(FakeRefiner(3, -2))
    before, after = plain.analyse(photo(RED)), refined.analyse(photo(RED))
    np.testing.assert_allclose(after.detections.landmarks, before.detections.landmarks + np.array([3, -2]), atol=1e-5)
    assert (refined.model_id, refined.dimension) == (MODEL_ID, 32)


def test_the_best_face_is_alone() -> None:
    assert identities(fake_recognizer().best_face(photo(GREEN, RED))) == [GREEN]
    with pytest.raises(NoFaceError, match=r"^p: no face"):
        fake_recognizer().best_face(photo())
    assert "x.jpg" in no_face("x.jpg").message


def test_a_face_with_degenerate_landmarks_is_left_out() -> None:
    recognizer = fake_recognizer()
    assert identities(recognizer.analyse(photo(RED, DEGENERATE, BLUE))) == [RED, BLUE]
    assert recognizer.analyse(photo(RED, DEGENERATE, BLUE)).detections.boxes[:, 0].tolist() == [0, 80]
    with pytest.raises(DegenerateLandmarksError, match=r"^p: "):
        recognizer.analyse(photo(DEGENERATE))
    results = recognizer.analyse_batch([photo(GREEN), photo(DEGENERATE, name="odd"), photo(RED)])
    assert isinstance(results[1], DegenerateLandmarksError)
    assert [identities(r) for r in (results[0], results[2]) if isinstance(r, Faces)] == [[GREEN], [RED]]


def damaged(tmp_path: Path) -> Photo:
    """Opens, but does not decode."""
    data = bytearray(write_bars(tmp_path / "damaged.png", RED, GREEN).read_bytes())
    at = data.index(b"IDAT") + 10
    data[at : at + 8] = b"\xff" * 8
    opened = open_photo(bytes(data), name="damaged.png")
    with pytest.raises(PhotoDamagedError):
        opened.pixels()
    return opened


def test_a_photo_that_cannot_be_decoded_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    results = fake_recognizer().analyse_batch([photo(RED), damaged(tmp_path), photo(BLUE)])
    assert isinstance(results[1], PhotoDamagedError)
    assert [identities(r) for r in (results[0], results[2]) if isinstance(r, Faces)] == [[RED], [BLUE]]
    (alone,) = fake_recognizer().analyse_batch([damaged(tmp_path)])
    assert isinstance(alone, PhotoDamagedError)


def test_other_errors_are_not_swallowed() -> None:
    class Broken(FakeEmbedder):
        def embed(self, faces: AlignedFaces) -> Templates:
            raise RuntimeError("out of order")

    recognizer = Recognizer(FakeDetector(), None, FakeAligner(), Broken())
    with pytest.raises(RuntimeError, match="out of order"):
        recognizer.analyse_batch([photo(RED)])
    with pytest.raises(RuntimeError, match="out of order"):
        list(recognizer.stream([1], lambda _: photo(RED), workers=1))


# --- streams ---------------------------------------------------------------------------------------------------------

PALETTE = [(int(r), int(g), int(b)) for r in (40, 120, 200) for g in (40, 120, 200) for b in (40, 120, 200)]


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("chunk", [1, 3, 8])
def test_results_come_in_the_order_of_the_sources(workers: int, chunk: int) -> None:
    def open_source(number: int) -> Photo:
        time.sleep(0.002 * (number % 3))
        return photo(PALETTE[number % 27], name=str(number))

    results = list(fake_recognizer().stream(range(40), open_source, workers=workers, chunk=chunk))
    assert [number for number, _ in results] == list(range(40))
    for number, faces in results:
        assert isinstance(faces, Faces)
        assert (faces.source, identities(faces)) == (str(number), [PALETTE[number % 27]])


def test_errors_in_opening_and_in_decoding_are_rows(tmp_path: Path) -> None:
    bad = damaged(tmp_path)

    def open_source(number: int) -> Photo:
        if number % 5 == 0:
            raise PhotoError(f"{number} will not open")
        return bad if number % 5 == 1 else photo(RED)

    results = [r for _, r in fake_recognizer().stream(range(20), open_source, workers=2, chunk=4)]
    assert [type(r) for r in results] == [PhotoError, PhotoDamagedError, Faces, Faces, Faces] * 4
    assert str(results[5]) == "5 will not open"


def test_the_look_ahead_is_bounded() -> None:
    taken: list[int] = []

    def sources() -> Iterator[int]:
        for number in range(10_000):
            taken.append(number)
            yield number

    stream = fake_recognizer().stream(sources(), lambda _: photo(RED), workers=2, chunk=3)
    for number in range(30):
        assert next(stream)[0] == number
        assert len(taken) <= number + 1 + 2 * 2 * 3 + 3
    stream.close()  # type: ignore[attr-defined]
    seen = len(taken)
    time.sleep(0.02)
    assert len(taken) == seen, "nothing goes on after the caller has left"


class SizedPhotos:
    """Opens photos that claim a size, and a detector that notes how many megapixels are in hand at once."""

    def __init__(self) -> None:
        self.lock, self.now, self.peak, self.batches = threading.Lock(), 0, 0, []

    def analyse_batch(self, photos):
        size = sum(p.image_hw[0] * p.image_hw[1] for p in photos) // 1_000_000
        with self.lock:
            self.now += size
            self.peak = max(self.peak, self.now)
            self.batches.append([p.source for p in photos])
        threading.Event().wait(0.01)
        with self.lock:
            self.now -= size
        return [PhotoError(p.source) for p in photos]


def sized(name: str, megapixels: int) -> Photo:
    one = photo(RED)
    one.image_hw, one.source = (1000, 1000 * megapixels), name
    return one


def test_large_photos_are_not_decoded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, recognizer = SizedPhotos(), fake_recognizer()
    monkeypatch.setattr(recognizer, "analyse_batch", watch.analyse_batch)
    sizes = {"a": 90, "b": 90, "c": 5, "d": 5, "e": 5, "f": 5, "g": 90, "h": 90}
    results = list(recognizer.stream(sizes, lambda name: sized(name, sizes[name]), workers=4, chunk=8))
    assert [str(error) for _, error in results] == list(sizes)
    assert watch.batches == [["a"], ["b"], ["c", "d", "e"], ["f"], ["g"], ["h"]]
    watch = SizedPhotos()
    monkeypatch.setattr(recognizer, "analyse_batch", watch.analyse_batch)
    list(recognizer.stream(range(8), lambda n: sized(str(n), 90), workers=4, chunk=2))
    assert watch.peak == 90, "two photos of 90 megapixels were in hand at once"


def test_an_empty_stream_ends_at_once() -> None:
    assert list(fake_recognizer().stream([], lambda _: photo(RED), workers=3)) == []


def test_workers_run_at_the_same_time() -> None:
    barrier = threading.Barrier(3, timeout=60)

    class Meeting(FakeDetector):
        def detect_batch(self, photos: Sequence[Photo]) -> list[Detections]:
            barrier.wait()
            return super().detect_batch(photos)

    recognizer = Recognizer(Meeting(), None, FakeAligner(), FakeEmbedder())
    assert len(list(recognizer.stream(range(6), lambda _: photo(RED), workers=3, chunk=1))) == 6


def test_threads_share_a_recognizer() -> None:
    recognizer = fake_recognizer(FakeRefiner())
    shared = photo(RED, GREEN)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: recognizer.analyse(shared if i % 2 else photo(PALETTE[i % 27])), range(80)))
    for i, faces in enumerate(found):
        assert identities(faces) == ([RED, GREEN] if i % 2 else [PALETTE[i % 27]])


def test_threads_share_the_real_recognizer(sample_photos: Path) -> None:
    from pipeline.build import build_recognizer

    recognizer = build_recognizer()
    files = sorted(sample_photos.glob("photos/barack-obama-*"))
    opened = [open_photo(file) for file in files]
    alone = [recognizer.analyse(one).templates.vectors for one in opened]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda i: recognizer.analyse(opened[i % len(opened)]).templates.vectors, range(16)))
    for i, vectors in enumerate(together):
        np.testing.assert_allclose(vectors, alone[i % len(files)], atol=2e-3)


def test_a_batch_of_real_photos_is_the_same_as_one_by_one(sample_photos: Path) -> None:
    from pipeline.build import build_recognizer

    recognizer = build_recognizer()
    files = sorted(sample_photos.rglob("*-*.*"))[:6]
    opened = [open_photo(file) for file in files if file.is_file()]
    batch = recognizer.analyse_batch(opened)
    for one, faces in zip(opened, batch, strict=True):
        assert isinstance(faces, Faces)
        single = recognizer.analyse(one)
        np.testing.assert_allclose(faces.detections.boxes, single.detections.boxes, atol=0.1)
        assert np.diag(faces.templates.scores(single.templates)).min() > 0.9999


def test_compare_takes_the_first_face_of_each_and_one_model_only() -> None:
    recognizer = fake_recognizer()
    one, other = recognizer.analyse(photo(RED, GREEN)).templates, recognizer.analyse(photo(GREEN)).templates
    expected = float(vector_of(RED) @ vector_of(GREEN))
    assert compare(one, other) == pytest.approx(expected, abs=1e-6)
    assert compare(one, one) == pytest.approx(1, abs=1e-6)
    with pytest.raises(ModelMismatchError):
        compare(one, Templates(other.vectors, other.norms, "another@1"))
