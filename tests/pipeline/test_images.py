"""pipeline.images against definitions written out by hand."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageFile
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_samples import KINDS, difference, rgb_of

from pipeline.errors import (
    PhotoDamagedError,
)
from pipeline.images import PHOTO_SUFFIXES, open_photo
from pipeline.images.headers import exif_orientation, sniff
from tests.photo_bytes import (
    encode,
    exif_block,
    png,
    portrait,
    sample,
    tiff,
)

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
