"""When and how much is decoded: reduced, lazily, as a thumbnail, and once."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest
from image_samples import KINDS, difference, rgb_of

import pipeline.images.photo
import pipeline.images.pillow
from pipeline.images import from_array, open_photo
from pipeline.images.headers import jpeg_header
from tests.photo_bytes import (
    encode,
    portrait,
    sample,
    tiff,
    with_segment,
)


def decodes_of(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The denominators decoded at from now on."""
    calls: list[int] = []
    real = pipeline.images.photo.decode

    def counted(*args: Any) -> Any:
        calls.append(args[-1])
        return real(*args)

    monkeypatch.setattr(pipeline.images.photo, "decode", counted)
    return calls


class TestReducedDecode:
    @pytest.mark.parametrize(
        ("max_side", "denominator"),
        [(None, 1), (9999, 1), (501, 1), (252, 1), (251, 2), (127, 2), (126, 4), (64, 4), (63, 8), (1, 8)],
    )
    def test_the_smallest_scale_that_is_large_enough(self, max_side: int | None, denominator: int) -> None:
        shape = {1: (333, 501), 2: (167, 251), 4: (84, 126), 8: (42, 63)}[denominator]
        photo = open_photo(encode(portrait().crop((0, 0, 501, 333)), "JPEG"))
        assert photo.image_hw == (333, 501)
        assert photo.pixels(max_side).shape == (*shape, 3)

    @pytest.mark.parametrize("denominator", [2, 4, 8])
    @pytest.mark.parametrize("mode", ["RGB", "L"])
    def test_it_shows_what_the_whole_shows(self, denominator: int, mode: str) -> None:
        data = encode(portrait().convert(mode), "JPEG", quality=95)
        side = 512 // denominator
        want = cv2.resize(open_photo(data).pixels(), (side, side), interpolation=cv2.INTER_AREA)
        assert difference(open_photo(data).pixels(side), want) < 3

    @pytest.mark.parametrize("progressive", [False, True])
    @pytest.mark.parametrize("subsampling", [0, 1, 2])
    def test_pixels_equal_those_of_pillow(self, progressive: bool, subsampling: int) -> None:
        data = encode(portrait(), "JPEG", progressive=progressive, subsampling=subsampling)
        assert difference(open_photo(data).pixels(), np.asarray(PIL.Image.open(io.BytesIO(data)))) < 0.5

    def test_formats_without_a_reduced_decode_come_whole(self) -> None:
        assert open_photo(sample("PNG")).pixels(10).shape == (128, 128, 3)

    @pytest.mark.parametrize("size", [(1, 1), (3, 1), (7, 9), (1, 2000)])
    def test_tiny_sides(self, size: tuple[int, int]) -> None:
        photo = open_photo(encode(PIL.Image.new("RGB", size, (90, 90, 90)), "JPEG"))
        assert photo.image_hw == size[::-1]
        small = photo.pixels(1)
        assert max(small.shape) >= 1
        assert np.abs(small.astype(int) - 90).max() < 3

    @pytest.mark.parametrize("max_side", [0, -1])
    def test_a_side_below_one_is_the_callers_error(self, max_side: int) -> None:
        with pytest.raises(ValueError, match="max_side"):
            open_photo(sample("JPEG")).pixels(max_side)


class TestLaziness:
    def test_opening_decodes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = decodes_of(monkeypatch)
        photo = open_photo(encode(portrait(), "JPEG"))
        assert (photo.image_hw, len(photo.sha256), calls) == ((512, 512), 64, [])

    def test_what_is_decoded_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = decodes_of(monkeypatch)
        photo = open_photo(encode(portrait(), "JPEG"))
        assert photo.pixels(64) is photo.pixels(64)
        whole = photo.pixels()
        assert photo.pixels(512) is whole
        assert photo.pixels(256) is whole  # larger than asked for, and there already
        assert photo.pixels(64).shape == (64, 64, 3)
        assert calls == [8, 1]

    def test_at_most_two_decodes_are_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = decodes_of(monkeypatch)
        photo = open_photo(encode(portrait(), "JPEG"))
        for side in (64, 128, 256, 512, 64):
            photo.pixels(side)
        assert calls == [8, 4, 2, 1]  # the last 64 is served from 1/2: 1/8 is gone
        assert photo.pixels(64).shape == (256, 256, 3)

    def test_threads_decode_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = decodes_of(monkeypatch)
        photo = open_photo(encode(portrait(), "JPEG"))
        barrier = threading.Barrier(8)

        def work(_: int) -> int:
            barrier.wait()
            return id(photo.pixels())

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(work, range(8)))) == 1
        assert calls == [1]

    def test_threads_with_photos_of_every_format_agree(self) -> None:
        wanted = {kind: open_photo(sample(kind)).pixels() for kind in KINDS}
        with ThreadPoolExecutor(6) as pool:
            for kind, got in zip(KINDS * 6, pool.map(lambda k: open_photo(sample(k)).pixels(), KINDS * 6), strict=True):
                assert np.array_equal(got, wanted[kind])

    def test_pixels_are_shared_and_so_read_only(self) -> None:
        for photo in (open_photo(sample("JPEG")), open_photo(sample("PNG")), from_array(rgb_of(portrait(8)))):
            with pytest.raises(ValueError, match="read-only"):
                photo.pixels()[0, 0, 0] = 1

    def test_heic_support_is_loaded_only_when_needed(self) -> None:
        code = "import sys, pipeline.images; sys.exit('pillow_heif' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_nothing_global_is_changed(self) -> None:
        before = (PIL.Image.MAX_IMAGE_PIXELS, PIL.ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
        for kind in KINDS:
            open_photo(sample(kind)).pixels()
        assert before == (PIL.Image.MAX_IMAGE_PIXELS, PIL.ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
        assert PIL.ImageFile.LOAD_TRUNCATED_IMAGES is False


class TestThumbnail:
    @pytest.mark.parametrize(
        ("max_side", "shape"), [(100, (67, 100)), (1, (1, 1)), (300, (200, 300)), (900, (200, 300))]
    )
    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_sides(self, kind: str, max_side: int, shape: tuple[int, int]) -> None:
        photo = open_photo(encode(portrait().crop((0, 0, 300, 200)), kind))
        assert photo.thumbnail(max_side).shape == (*shape, 3)

    def test_it_is_the_photo_averaged_over_areas(self) -> None:
        thumbnail = open_photo(sample("PNG")).thumbnail(32)
        want = rgb_of(portrait(128)).reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
        assert np.abs(thumbnail - want).max() <= 1

    def test_a_sliver_keeps_a_pixel(self) -> None:
        assert open_photo(encode(PIL.Image.new("RGB", (3000, 1)), "PNG")).thumbnail(64).shape == (1, 64, 3)

    def test_it_is_the_callers_own(self) -> None:
        photo = open_photo(sample("PNG"))
        for side in (32, 128):
            photo.thumbnail(side)[:] = 0
        assert photo.pixels().max() > 0


class TestIdentity:
    def test_the_hash_is_of_the_encoded_bytes(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(sample("PNG"))
        want = hashlib.sha256(sample("PNG")).hexdigest()
        assert open_photo(path).sha256 == open_photo(str(path)).sha256 == open_photo(sample("PNG")).sha256 == want

    def test_arrays_differ_by_pixels_and_shape(self) -> None:
        zeros = np.zeros((2, 3, 3), np.uint8)
        same = from_array(zeros.copy(), "another name").sha256
        assert from_array(zeros).sha256 == same
        assert from_array(zeros.reshape(3, 2, 3)).sha256 != same
        assert from_array(zeros + np.uint8(1)).sha256 != same

    def test_an_array_is_copied_and_never_reduced(self) -> None:
        rgb = np.zeros((20, 30, 3), np.uint8)
        photo = from_array(rgb, "frame 7")
        rgb[:] = 9
        assert (photo.source, photo.image_hw, photo.pixels(1).shape) == ("frame 7", (20, 30), (20, 30, 3))
        assert photo.pixels().max() == 0

    def test_an_array_may_be_a_view(self) -> None:
        rgb = rgb_of(portrait(16))
        photo = from_array(rgb[::-1, ::2])
        assert np.array_equal(photo.pixels(), rgb[::-1, ::2])
        assert len(photo.sha256) == 64

    @pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3), (3, 4, 4, 3)])
    def test_arrays_of_another_shape_are_the_callers_error(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
            from_array(np.zeros(shape, np.uint8))
        with pytest.raises(ValueError, match="float64"):
            from_array(np.zeros((4, 4, 3)))  # type: ignore[arg-type]

    def test_names(self, tmp_path: Path) -> None:
        path = tmp_path / "me.png"
        path.write_bytes(sample("PNG"))
        assert open_photo(path).source == str(path)
        assert open_photo(path, name="upload.png").source == "upload.png"
        assert open_photo(sample("PNG"), name="upload.png").source == "upload.png"
        assert repr(open_photo(sample("PNG"), name="u")) == "Photo('u', 128x128)"


@pytest.mark.filterwarnings("error")
def test_one_tiff_does_not_wait_for_another_to_be_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import TiffImagePlugin

    both = threading.Barrier(2)
    load = TiffImagePlugin.TiffImageFile.load

    def meeting(image: TiffImagePlugin.TiffImageFile) -> object:
        both.wait(60)  # breaks unless two are being decoded at the same time
        return load(image)

    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "load", meeting)
    data = encode(PIL.Image.new("RGB", (8, 8)), "TIFF")
    photos = [open_photo(data), open_photo(data)]
    with ThreadPoolExecutor(2) as pool:
        assert [image.shape for image in pool.map(lambda photo: photo.pixels(), photos)] == [(8, 8, 3)] * 2


def test_pillow_is_given_no_exif_of_a_jpeg() -> None:
    plain = encode(portrait(64).convert("CMYK"), "JPEG")
    block = tiff({0x0112: (3, 1, 6), 40000: (7, 4, 0)})
    tagged = with_segment(with_segment(plain, 0xE1, b"Exif\0\0" + b"x" * 60_000), 0xE1, b"Exif\0\0" + block)
    header = jpeg_header(tagged)
    assert header.pixel_bytes == plain
    assert header.orientation == 6
    assert np.array_equal(open_photo(tagged).pixels(), np.rot90(open_photo(plain).pixels(), -1))
    assert jpeg_header(encode(portrait(64), "JPEG")).pixel_bytes is None
