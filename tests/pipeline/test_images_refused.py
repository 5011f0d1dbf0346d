"""Photos that are refused: over a limit, no photo at all, or damaged; each with a named error of one line."""

from __future__ import annotations

import io
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_samples import KINDS, difference

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
from pipeline.images import MAX_BYTES, MAX_PIXELS, Photo, one_line, open_photo
from pipeline.images.headers import jpeg_header
from tests.photo_bytes import (
    encode,
    exif_block,
    grey_tiff,
    png,
    png_chunk,
    portrait,
    sample,
    shared_tags_tiff,
    strips_tiff,
    with_segment,
)


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
