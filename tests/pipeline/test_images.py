"""pipeline.images against definitions written out by hand."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageFile
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pipeline.images.photo
import pipeline.images.pillow
from pipeline.config import Settings
from pipeline.errors import (
    KnownfaceError,
    PhotoDamagedError,
    PhotoEmptyError,
    PhotoFormatError,
    PhotoNotFoundError,
    PhotoTooLargeError,
    PhotoUnreadableError,
)
from pipeline.images import MAX_BYTES, MAX_PIXELS, PHOTO_SUFFIXES, Photo, from_array, one_line, open_photo
from pipeline.images.headers import exif_orientation, jpeg_header, sniff
from tests.hostile import (
    encode,
    exif_block,
    grey_tiff,
    png,
    png_chunk,
    portrait,
    sample,
    shared_tags_tiff,
    strips_tiff,
    tiff,
    with_segment,
)

KINDS = ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "HEIF", "AVIF"]
LOSSLESS = {"PNG", "BMP", "TIFF"}
# EXIF 2.32, section 4.6.4 A: where the 0th row and the 0th column of the stored picture are in the scene.
SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def rgb_of(image: PIL.Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).mean())


def upright_by_definition(stored: np.ndarray, orientation: int) -> np.ndarray:
    """Puts every stored pixel where the standard says it belongs."""
    row_side, column_side = SIDES[orientation]
    height, width = stored.shape[:2]
    if orientation >= 5:
        height, width = width, height
    out = np.zeros((height, width, 3), np.uint8)
    for r in range(stored.shape[0]):
        for c in range(stored.shape[1]):
            place = {}
            for side, offset in ((row_side, r), (column_side, c)):
                axis = "y" if side in ("top", "bottom") else "x"
                last = (height if axis == "y" else width) - 1
                place[axis] = offset if side in ("top", "left") else last - offset
            out[place["y"], place["x"]] = stored[r, c]
    return out


def decodes_of(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The denominators decoded at from now on."""
    calls: list[int] = []
    real = pipeline.images.photo.decode

    def counted(*args: Any) -> Any:
        calls.append(args[-1])
        return real(*args)

    monkeypatch.setattr(pipeline.images.photo, "decode", counted)
    return calls


class TestFormats:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_format_decodes_to_the_photo(self, kind: str) -> None:
        photo = open_photo(sample(kind))
        pixels = photo.pixels()
        assert photo.image_hw == (128, 128)
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
        distance = difference(pixels, rgb_of(portrait(128)))
        assert distance == 0 if kind in LOSSLESS else distance < 8

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_channels_are_red_green_blue(self, kind: str) -> None:
        red = PIL.Image.new("RGB", (32, 16), (200, 30, 60))
        assert open_photo(encode(red, kind)).pixels().mean(axis=(0, 1)) == pytest.approx([200, 30, 60], abs=6)

    @pytest.mark.parametrize("kind", KINDS)
    def test_content_decides_what_a_file_is(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / "photo.txt"
        path.write_bytes(sample(kind))
        assert sniff(sample(kind)) == kind
        assert open_photo(path).pixels().shape == (128, 128, 3)

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
    def test_of_several_frames_the_first_counts(self, kind: str) -> None:
        first = portrait(64)
        data = encode(first, kind, save_all=True, append_images=[PIL.Image.new("RGB", (64, 64), "black")] * 2)
        assert difference(open_photo(data).pixels(), rgb_of(first)) < 10

    def test_suffixes_are_lower_case_and_cover_the_formats(self) -> None:
        assert {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".avif"} <= PHOTO_SUFFIXES
        assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in PHOTO_SUFFIXES)


class TestModes:
    @pytest.mark.parametrize("mode", ["1", "L", "P"])
    def test_grey_and_palette(self, mode: str) -> None:
        image = portrait(64).convert(mode)
        assert np.array_equal(open_photo(encode(image, "PNG")).pixels(), rgb_of(image))

    def test_see_through_pixels_lie_on_white(self) -> None:
        rgba = np.random.default_rng(1).integers(0, 256, (40, 30, 4), dtype=np.uint8)
        want = rgba[..., :3] * (rgba[..., 3:] / 255) + 255 * (1 - rgba[..., 3:] / 255)
        got = open_photo(encode(PIL.Image.fromarray(rgba), "PNG")).pixels()
        assert np.abs(got - want).max() <= 0.51

    def test_grey_with_alpha_lies_on_white(self) -> None:
        image = PIL.Image.merge("LA", (PIL.Image.new("L", (4, 4), 100), PIL.Image.new("L", (4, 4), 51)))
        assert np.all(open_photo(encode(image, "PNG")).pixels() == round(100 * 0.2 + 255 * 0.8))

    @pytest.mark.parametrize("kind", ["PNG", "GIF"])
    def test_the_clear_colour_of_a_palette_is_white(self, kind: str) -> None:
        image = PIL.Image.new("P", (4, 2), 1)
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((0, 0), 0)
        pixels = open_photo(encode(image, kind, transparency=0)).pixels()
        assert pixels[0, 0].tolist() == [255, 255, 255]
        assert pixels[1, 3].tolist() == [40, 50, 60]

    def test_cmyk_of_adobe_is_not_negative(self) -> None:
        photo = open_photo(encode(portrait(64).convert("CMYK"), "JPEG", quality=95))
        assert difference(photo.pixels(), rgb_of(portrait(64))) < 6
        assert photo.pixels(8).shape == (64, 64, 3)  # no reduced decode, so the whole

    def test_lab_and_ycbcr(self) -> None:
        lab = open_photo(encode(PIL.Image.new("LAB", (4, 4), (255, 128, 128)), "TIFF")).pixels()
        assert lab.min() > 245
        ycbcr = open_photo(encode(portrait(64).convert("YCbCr"), "TIFF")).pixels()
        assert difference(ycbcr, rgb_of(portrait(64))) < 3

    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_sixteen_bits_are_scaled_not_clipped(self, kind: str) -> None:
        deep = np.linspace(0, 65535, 4096).astype(np.uint16).reshape(64, 64)
        got = open_photo(encode(PIL.Image.fromarray(deep), kind)).pixels()
        assert np.array_equal(got, np.repeat(np.rint(deep / 65535 * 255).astype(np.uint8)[..., None], 3, axis=2))

    def test_sixteen_bit_colour(self) -> None:
        import zlib

        deep = np.random.default_rng(2).integers(0, 65536, (9, 7, 3)).astype(">u2")
        packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in deep))
        assert np.abs(open_photo(png(7, 9, packed, depth=16)).pixels() - deep / 65535 * 255).max() <= 1

    def test_twelve_bits_fill_the_scale(self) -> None:
        directory = {256: (4, 1, 2), 257: (4, 1, 1), 258: (3, 1, 12), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, 200)}
        directory |= {277: (3, 1, 1), 278: (4, 1, 1), 279: (4, 1, 3)}
        pixels = open_photo(tiff(directory).ljust(200, b"\0") + b"\xff\xf8\x00").pixels()
        assert pixels[0, :, 0].tolist() == [255, 128]

    @pytest.mark.parametrize("scale", [1.0, 255.0, 1e30, -5.0])
    def test_floats_are_scaled_by_their_range(self, scale: float) -> None:
        ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
        got = open_photo(encode(PIL.Image.fromarray(ramp * np.float32(scale)), "TIFF")).pixels()[..., 0]
        want = np.arange(256).reshape(16, 16)
        assert np.abs(got.astype(int) - (want if scale > 0 else 255 - want)).max() <= 1

    def test_a_dim_float_picture_stays_dim(self) -> None:
        dim = PIL.Image.fromarray(np.full((4, 4), 0.2, np.float32))
        assert np.all(open_photo(encode(dim, "TIFF")).pixels() == 51)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_floats_that_are_not_numbers_are_damage(self, value: float) -> None:
        values = np.zeros((4, 4), np.float32)
        values[1, 1] = value
        with pytest.raises(PhotoDamagedError, match="not finite"):
            open_photo(encode(PIL.Image.fromarray(values), "TIFF")).pixels()


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
    def test_photos_come_upright(self, kind: str, orientation: int) -> None:
        stored = portrait(128).crop((16, 0, 112, 64))
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        if kind == "HEIF":  # written as a rotation property beside the EXIF tag: it must not be applied twice
            file = pillow_heif.from_bytes("RGB", stored.size, stored.tobytes())
            file[0].info["exif"] = exif.tobytes()
            out = io.BytesIO()
            file.save(out, quality=95)
            data = out.getvalue()
        else:
            data = encode(stored, kind, exif=exif, **({} if kind in LOSSLESS else {"quality": 95}))
        want = upright_by_definition(np.asarray(stored), orientation)
        photo = open_photo(data)
        assert photo.image_hw == want.shape[:2]
        distance = difference(photo.pixels(), want)
        assert distance == 0 if kind in LOSSLESS else distance < 8

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_reduced_decodes_come_upright(self, orientation: int) -> None:
        stored = portrait().crop((0, 0, 400, 240))
        data = encode(stored, "JPEG", quality=95, exif=b"Exif\0\0" + exif_block(orientation, ">"))
        want = upright_by_definition(np.asarray(stored.resize((50, 30), PIL.Image.Resampling.BOX)), orientation)
        assert difference(open_photo(data).pixels(50), want) < 4

    def test_orientation_behind_the_pixels_of_a_png_counts(self) -> None:
        data = sample("PNG")
        at = data.rindex(b"IEND") - 4
        block = exif_block(6)
        chunk = len(block).to_bytes(4, "big") + b"eXIf" + block + bytes(4)
        turned = open_photo(data[:at] + chunk + data[at:]).pixels()
        assert np.array_equal(turned, np.rot90(rgb_of(portrait(128)), -1))

    @pytest.mark.parametrize("orientation", [0, 9, 65535])
    def test_an_orientation_that_does_not_exist_is_none(self, orientation: int) -> None:
        assert exif_orientation(exif_block(orientation)) == 1

    @given(st.binary(max_size=60), st.sampled_from([b"", b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
    def test_any_exif_block_gives_an_orientation(self, noise: bytes, start: bytes) -> None:
        assert 1 <= exif_orientation(b"Exif\0\0" + start + noise) <= 8


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


class TestLimits:
    def test_defaults_are_those_of_the_settings(self) -> None:
        assert (Settings().max_bytes, Settings().max_pixels) == (MAX_BYTES, MAX_PIXELS)

    @pytest.mark.parametrize("kind", KINDS)
    def test_pixels_are_counted_before_decoding(self, kind: str) -> None:
        assert open_photo(sample(kind), max_pixels=128 * 128).image_hw == (128, 128)
        with pytest.raises(PhotoTooLargeError, match=r"128x128 pixels.*16383"):
            open_photo(sample(kind), max_pixels=128 * 128 - 1)

    def test_the_canvas_of_a_webp_is_counted_before_its_decoder_allocates_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(pipeline.images.pillow._READERS, "WEBP", None)  # type: ignore[arg-type]
        with pytest.raises(PhotoTooLargeError, match="128x128"):
            open_photo(sample("WEBP"), max_pixels=1000)

    def test_bytes_are_counted(self, tmp_path: Path) -> None:
        data = sample("PNG")
        path = tmp_path / "a.png"
        path.write_bytes(data)
        for source in (data, path):
            assert open_photo(source, max_bytes=len(data)).image_hw == (128, 128)
            with pytest.raises(PhotoTooLargeError, match="max_bytes"):
                open_photo(source, max_bytes=len(data) - 1)

    @pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
    def test_a_file_without_a_size_is_read_and_limited(self) -> None:
        with pytest.raises(PhotoFormatError):
            open_photo("/proc/self/status")
        with pytest.raises(PhotoTooLargeError):
            open_photo("/proc/self/status", max_bytes=10)

    def test_memory_that_does_not_suffice_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise MemoryError

        photo = open_photo(sample("JPEG"))
        monkeypatch.setattr(cv2, "imdecode", fail)
        with pytest.raises(PhotoTooLargeError, match="memory"):
            photo.pixels()


class TestErrors:
    def test_paths_without_a_photo(self, tmp_path: Path) -> None:
        (tmp_path / "empty.jpg").touch()
        (tmp_path / "text.jpg").write_text("hello")
        wanted = {
            "missing.jpg": PhotoNotFoundError,
            "empty.jpg": PhotoEmptyError,
            "empty.jpg/below.jpg": PhotoNotFoundError,
            "text.jpg": PhotoFormatError,
            "nul\0.jpg": PhotoNotFoundError,
            ".": PhotoUnreadableError,
        }
        for name, error in wanted.items():
            with pytest.raises(error) as caught:
                open_photo(tmp_path / name)
            assert caught.value.message.startswith(one_line(str(tmp_path / name)))

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(PhotoUnreadableError, match="is a pipe"):
            open_photo(tmp_path / "pipe")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
    def test_a_file_replaced_by_a_pipe_is_not_waited_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        os.mkfifo(tmp_path / "pipe")
        regular = Path(__file__).stat()
        monkeypatch.setattr(Path, "stat", lambda *_, **__: regular)
        with pytest.raises(PhotoUnreadableError, match="is a pipe"):
            open_photo(tmp_path / "pipe")

    @pytest.mark.parametrize(
        ("number", "error"), [(13, PhotoUnreadableError), (5, PhotoUnreadableError), (2, PhotoNotFoundError)]
    )
    def test_errors_of_the_system(
        self, number: int, error: type[KnownfaceError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a.jpg").write_bytes(b"x")

        def fail(*_: object) -> int:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "open", fail)
        with pytest.raises(error):
            open_photo(tmp_path / "a.jpg")

    def test_a_message_says_which_file_what_is_wrong_and_what_to_do(self, tmp_path: Path) -> None:
        path = tmp_path / "two\nlines\x1b[2J\u202e.jpg"
        path.write_bytes(b"text")
        with pytest.raises(PhotoFormatError) as caught:
            open_photo(path)
        assert caught.value.message == (
            f"{tmp_path}/two\\nlines\\x1b[2J\\u202e.jpg: is not a photo in a supported format; "
            "use one of JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF"
        )

    @pytest.mark.skipif(sys.platform != "linux", reason="names are text here")
    def test_a_name_that_is_not_text(self, tmp_path: Path) -> None:
        path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
        Path(path).write_bytes(sample("PNG"))
        assert open_photo(path).source.endswith("/\\udcff.png")

    @given(st.text())
    def test_any_name_is_one_printable_line(self, name: str) -> None:
        line = one_line(name)
        assert line.isprintable()
        line.encode()  # no lone surrogates
        if name.isprintable():
            assert line == name

    def test_a_photo_found_damaged_stays_so(self) -> None:
        data = bytearray(sample("PNG"))
        data[len(data) // 2] ^= 255
        photo = open_photo(bytes(data))
        for _ in range(2):
            with pytest.raises(PhotoDamagedError):
                photo.pixels()

    @pytest.mark.parametrize("state", ["error", "default"])
    def test_odd_tags_of_a_tiff_do_not_matter(self, state: Any) -> None:
        odd = grey_tiff(64, 64, t270=(2, 2**20, 2**30))
        with warnings.catch_warnings(record=state == "default") as seen:
            warnings.simplefilter(state)
            assert open_photo(odd).pixels().shape == (64, 64, 3)
        assert not seen


class TestDamage:
    @pytest.mark.parametrize("progressive", [False, True])
    @given(cut=st.integers(1, 10_000))
    @settings(max_examples=60, deadline=None)
    def test_a_jpeg_cut_anywhere_is_damaged(self, progressive: bool, cut: int) -> None:
        data = encode(portrait(96), "JPEG", progressive=progressive, exif=b"Exif\0\0" + exif_block(3))
        with pytest.raises(PhotoDamagedError if cut < len(data) - 2 else (PhotoDamagedError, PhotoFormatError)):
            open_photo(data[: -min(cut, len(data) - 3)]).pixels()

    def test_a_png_in_many_small_chunks_is_whole(self) -> None:
        import zlib

        packed = zlib.compress(bytes(64 * (64 * 3 + 1)), 0)
        pieces = b"".join(png_chunk(b"IDAT", bytes([byte])) for byte in packed[:-1])
        assert open_photo(png(64, 64, packed[-1:], extra=pieces)).pixels().max() == 0

    def test_a_jpeg_with_a_zero_filled_tail_is_damaged(self) -> None:
        data = sample("JPEG")
        with pytest.raises(PhotoDamagedError, match="end marker"):
            open_photo(data[: len(data) // 2] + bytes(len(data)))

    def test_an_end_marker_inside_a_thumbnail_is_not_the_end(self) -> None:
        data = with_segment(sample("JPEG"), 0xE1, b"Exif\0\0" + exif_block(1) + sample("JPEG", 32))
        assert difference(open_photo(data).pixels(), open_photo(sample("JPEG")).pixels()) == 0
        with pytest.raises(PhotoDamagedError):
            open_photo(data[:-600]).pixels()

    def test_what_a_phone_appends_behind_a_jpeg_does_not_matter(self) -> None:
        assert open_photo(sample("JPEG") + b"\xff\xd8\xff MotionPhoto").pixels().shape == (128, 128, 3)

    @given(st.sampled_from(KINDS), st.data())
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
    def test_changed_bytes_decode_or_are_a_named_error(self, kind: str, data: st.DataObject) -> None:
        changed = bytearray(sample(kind, 48))
        reach = data.draw(st.sampled_from([60, 300, len(changed)]))
        places = st.integers(0, min(reach, len(changed)) - 1)
        for at, value in data.draw(st.dictionaries(places, st.integers(0, 255), max_size=12)).items():
            changed[at] = value
        self.decodes_or_names(bytes(changed[: data.draw(st.one_of(st.none(), st.integers(1, len(changed))))]))

    @given(
        st.sampled_from(
            [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"RIFF\0\0\0\0WEBPVP8X"]
        )
    )
    @settings(max_examples=20, deadline=None)
    def test_noise_is_a_named_error(self, start: bytes) -> None:
        for seed in range(8):
            noise = start + np.random.default_rng(seed).bytes(1 + seed * 50)
            with pytest.raises(KnownfaceError):
                open_photo(noise).pixels()

    @staticmethod
    def decodes_or_names(data: bytes) -> None:
        message = "x: "
        try:
            photo: Photo = open_photo(data, name="x", max_pixels=4_000_000)
            assert photo.pixels().shape == (*photo.image_hw, 3)
        except KnownfaceError as error:
            message = error.message
        assert message.startswith("x: ")
        assert message.isprintable()

    @given(st.integers(0, 300), st.integers(0, 255))
    @settings(max_examples=100, deadline=None)
    def test_the_walk_sees_the_size_that_pillow_sees(self, at: int, value: int) -> None:
        changed = bytearray(sample("JPEG"))
        changed[at] = value
        try:
            hw = jpeg_header(bytes(changed)).stored_hw
            with PIL.Image.open(io.BytesIO(changed), formats=["JPEG"]) as image:
                assert hw == (image.height, image.width)
        except (ValueError, OSError, KnownfaceError):
            pass


def test_a_tiff_of_very_many_strips_is_refused_at_once_and_an_ordinary_long_one_is_not() -> None:
    started = time.perf_counter()
    with pytest.raises(PhotoDamagedError, match="1000000 strips or tiles"):
        open_photo(strips_tiff(1_000_000), name="x.tiff")
    assert time.perf_counter() - started < 1
    assert open_photo(strips_tiff(2000)).pixels().shape == (2000, 1, 3)
    with pytest.raises(PhotoDamagedError, match="bytes than the whole file"):
        open_photo(shared_tags_tiff(), name="x.tiff")


def test_no_side_may_be_absurdly_long() -> None:
    assert open_photo(encode(PIL.Image.new("RGB", (30000, 1)), "PNG")).image_hw == (1, 30000)
    with pytest.raises(PhotoTooLargeError, match="no side may have more than 65535"):
        open_photo(encode(PIL.Image.new("RGB", (65536, 1)), "PNG"))


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
