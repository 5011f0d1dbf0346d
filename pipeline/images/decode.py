"""From bytes to upright RGB pixels.

Two decoders share the work. OpenCV decodes ordinary JPEGs (grey or three components, Huffman coded): measured from
bytes to array on one core, header walk included, it takes 0.8 of Pillow's time at 250x250 and 0.6 at 12 megapixels
(0.9 to 1.0 at a reduced scale, where Pillow would use its draft mode), with equal pixels; Pillow spends the difference
on a fourth byte per pixel. Neither is trusted with a truncated JPEG: that OpenCV 5.0 refuses one is promised nowhere,
and Pillow takes a zero-filled tail for pixels. So both see only files whose markers are complete up to the end marker
(`headers.jpeg_header`). Pillow decodes everything else, with its LOAD_TRUNCATED_IMAGES left off, each format by its
own class: other parsers are never reached. What nobody notices is a JPEG whose picture data are damaged in the middle
and still form valid codes: libjpeg paints on and says so on stderr only.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import cv2
import numpy as np

from pipeline.errors import PhotoDamagedError, PhotoFormatError, PhotoTooLargeError
from pipeline.images.headers import Header, MalformedError, check_pixels, jpeg_header, png_header, sniff
from pipeline.images.source import one_line
from pipeline.types import Image

FORMATS = "JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF"
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
# EXIF orientation -> code of cv2.flip (1 mirrors columns, 0 rows, -1 both), after transposing where it is 5 or more.
_FLIPS = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}

# What decoders raise on bytes that break their format: parsers written in Python fall over with any of the arithmetic,
# lookup and type errors; C decoders raise OSError, ValueError, RuntimeError (libheif; also as RecursionError and
# NotImplementedError) and cv2.error. Warning is here because a process may turn warnings into errors.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    AssertionError,
    EOFError,
    RuntimeError,
    BufferError,
    struct.error,
    zlib.error,
    cv2.error,
    Warning,
)


def _bombs() -> tuple[type[Exception], ...]:
    """Pillow's own alarms, if Pillow is there; evaluated only when something was raised."""
    module = sys.modules.get("pipeline.images.pillow")
    return () if module is None else cast(tuple[type[Exception], ...], module.BOMBS)


@contextmanager
def named_errors(label: str) -> Iterator[None]:
    """Turns whatever a decoder raises into a named error of the photo called `label`."""
    try:
        yield
    except _bombs() as error:
        raise PhotoTooLargeError(f"{label}: unpacks to too many pixels; save it smaller") from error
    except MemoryError as error:
        raise PhotoTooLargeError(f"{label}: needs more memory than there is to decode; save it smaller") from error
    except MalformedError as error:
        raise PhotoDamagedError(f"{label}: is damaged: {error}; copy the photo again from where it came") from error
    except DECODER_ERRORS as error:
        detail = one_line(str(error).strip())[:120] or type(error).__name__
        raise PhotoDamagedError(
            f"{label}: cannot be decoded ({detail}): damaged, or of a rare kind; copy it again or save it as JPEG"
        ) from error


def read_header(data: bytes, label: str, max_pixels: int) -> Header:
    """Format, size and orientation, held against the pixel limit before anything is decoded.

    Raises:
        PhotoFormatError: Not an image, or a format that is not supported.
        PhotoDamagedError: The header is broken, or the photo is seen to be truncated.
        PhotoTooLargeError: More than `max_pixels`.
    """
    kind = sniff(data)
    if kind is None:
        raise PhotoFormatError(f"{label}: is not a photo in a supported format; use one of {FORMATS}")
    with named_errors(label):
        if kind == "JPEG":
            header = jpeg_header(data)
        elif kind == "PNG":
            header = png_header(data)
        else:
            from pipeline.images import pillow

            is_heif = kind == "HEIF"
            header = pillow.heif_header(data) if is_heif else pillow.header(data, kind, label, max_pixels)
        check_pixels(header.stored_hw, label, max_pixels)
    return header


def decode(data: bytes, header: Header, label: str, denominator: int = 1) -> Image:
    """Decodes a photo.

    Args:
        data: The encoded bytes.
        header: What `read_header` made of them.
        label: What to call the photo in messages.
        denominator: 1, 2, 4 or 8: decode at this fraction of the scale; only where `can_reduce` says so.

    Returns:
        (H, W, 3) uint8 RGB, upright, C-contiguous; H and W are image_hw divided by `denominator`, rounded up.

    Raises:
        PhotoDamagedError: Truncated or corrupt.
        PhotoTooLargeError: There is not enough memory.
    """
    with named_errors(label):
        if can_reduce(header):
            rgb = _decode_jpeg(data, denominator)
        else:
            from pipeline.images import pillow

            stored = data if header.pixel_bytes is None else header.pixel_bytes
            rgb = pillow.heif_pixels(data) if header.format == "HEIF" else pillow.pixels(stored, header.format)
        height, width = (-(-side // denominator) for side in header.stored_hw)
        if rgb.shape != (height, width, 3):
            raise MalformedError(f"it decodes to {rgb.shape[1]}x{rgb.shape[0]} pixels but claims {width}x{height}")
        return np.ascontiguousarray(_upright(rgb, header.orientation))


def can_reduce(header: Header) -> bool:
    """Whether the codec can decode at 1/2, 1/4 and 1/8 of the scale: an ordinary JPEG."""
    return header.format == "JPEG" and header.components in (1, 3) and not header.arithmetic


def _decode_jpeg(data: bytes, denominator: int) -> Image:
    flag = _REDUCED.get(denominator, cv2.IMREAD_COLOR)
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    if bgr is None:
        raise MalformedError("its picture data are corrupt")
    rgb: Image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr)
    return rgb


def _upright(rgb: Image, orientation: int) -> Image:
    """Applies an EXIF orientation (EXIF 2.32, section 4.6.4 A: where row 0 and column 0 of the stored picture are)."""
    if orientation >= 5:
        rgb = cv2.transpose(rgb)
    flip = _FLIPS.get(orientation)
    return rgb if flip is None else cast(Image, cv2.flip(rgb, flip))
