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
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from pipeline.errors import PhotoDamagedError, PhotoFormatError, PhotoTooLargeError
from pipeline.images.headers import Header, MalformedError, exif_orientation, jpeg_header, png_header, sniff, webp_hw
from pipeline.images.source import one_line
from pipeline.types import Image

FORMATS = "JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF"
_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_NOISY = {"TIFF", "AVIF"}
# EXIF orientation -> code of cv2.flip (1 mirrors columns, 0 rows, -1 both), after transposing where it is 5 or more.
_FLIPS = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
_ROWS = 256
_warnings_lock = threading.RLock()

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


@contextmanager
def named_errors(label: str) -> Iterator[None]:
    """Turns whatever a decoder raises into a named error of the photo called `label`."""
    try:
        yield
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
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
        elif kind == "HEIF":
            width, height = _open_heif(data).size
            header = Header(kind, (height, width))  # libheif turns the picture upright itself
        else:
            header = _pillow_header(data, kind, label, max_pixels)
        check_pixels(header.stored_hw, label, max_pixels)
    return header


def check_pixels(hw: tuple[int, int], label: str, max_pixels: int) -> None:
    """Refuses a photo of no or of more than `max_pixels` pixels.

    Raises:
        PhotoTooLargeError: Over the limit.
        MalformedError: A side is 0.
    """
    height, width = hw
    if height < 1 or width < 1:
        raise MalformedError(f"it claims to be {width}x{height} pixels")
    if height * width > max_pixels:
        raise PhotoTooLargeError(
            f"{label}: has {width}x{height} pixels, over the limit of {max_pixels}; save it smaller or raise max_pixels"
        )


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
        elif header.format == "HEIF":
            rgb = _rgb(_open_heif(data).to_pillow())
        else:
            rgb = _decode_pillow(data if header.pixel_bytes is None else header.pixel_bytes, header.format)
        height, width = (-(-side // denominator) for side in header.stored_hw)
        if rgb.shape != (height, width, 3):
            raise MalformedError(f"it decodes to {rgb.shape[1]}x{rgb.shape[0]} pixels but claims {width}x{height}")
        return np.ascontiguousarray(_upright(rgb, header.orientation))


def can_reduce(header: Header) -> bool:
    """Whether the codec can decode at 1/2, 1/4 and 1/8 of the scale: an ordinary JPEG."""
    return header.format == "JPEG" and header.components in (1, 3) and not header.arithmetic


def _pillow_header(data: bytes, kind: str, label: str, max_pixels: int) -> Header:
    if kind == "WEBP":  # its decoder allocates the canvas on opening
        check_pixels(webp_hw(data), label, max_pixels)
    with _quiet(kind), _READERS[kind](BytesIO(data)) as image:
        if kind != "TIFF":
            return Header(kind, (image.height, image.width), exif_orientation(image.info.get("exif")))
        assert isinstance(image, TiffImagePlugin.TiffImageFile)  # noqa: S101 - narrows the type
        tile = image.tag_v2.get(322, 1), image.tag_v2.get(323, 1)
        check_pixels(tile, label, max_pixels)
        return Header(kind, (image.height, image.width))  # Pillow turns a TIFF upright itself


@contextmanager
def _silence() -> Iterator[None]:
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _quiet(kind: str) -> Any:
    """Pillow warns of odd tags in TIFF and EXIF directories, which matters to nobody as long as the pixels decode.

    Filters are the process's own before Python 3.14, hence the lock, and hence only for the formats that need it.
    """
    return _silence() if kind in _NOISY else nullcontext()


def _open_heif(data: bytes) -> Any:
    import pillow_heif  # noqa: PLC0415 - large, and most photos are not HEIC

    return pillow_heif.open_heif(BytesIO(data), convert_hdr_to_8bit=True)


def _decode_jpeg(data: bytes, denominator: int) -> Image:
    flag = _REDUCED.get(denominator, cv2.IMREAD_COLOR)
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    if bgr is None:
        raise MalformedError("its picture data are corrupt")
    rgb: Image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr)
    return rgb


def _decode_pillow(data: bytes, kind: str) -> Image:
    with _quiet(kind), _READERS[kind](BytesIO(data)) as image:
        image.load()
        return _rgb(image)


def _rgb(image: PIL.Image.Image) -> Image:
    """Any mode of Pillow as (H, W, 3) uint8 RGB: see-through pixels on white, deep ones scaled to 8 bit."""
    if image.mode.startswith("I;16"):
        return _grey(_from_16_bit(image))
    if image.mode in ("I", "F"):
        return _grey(_by_range(np.asarray(image)))
    if image.has_transparency_data or image.mode in ("La", "RGBa"):
        return _by_rows(np.asarray(image.convert("RGBA")), _over_white, channels=(3,))
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _by_rows(
    values: npt.NDArray[Any], convert: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], channels: tuple[int, ...] = ()
) -> npt.NDArray[np.uint8]:
    """`convert` of some rows at a time, so that wide intermediate types do not fill the memory; (H, W, *channels)."""
    out = np.empty((*values.shape[:2], *channels), np.uint8)
    for top in range(0, len(values), _ROWS):
        out[top : top + _ROWS] = convert(values[top : top + _ROWS])
    return out


def _over_white(rgba: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    alpha = rgba[..., 3:].astype(np.uint16)
    blend: npt.NDArray[Any] = (rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return blend


def _grey(values: npt.NDArray[np.uint8]) -> Image:
    rgb: Image = cv2.cvtColor(np.ascontiguousarray(values), cv2.COLOR_GRAY2RGB)
    return rgb


def _from_16_bit(image: PIL.Image.Image) -> npt.NDArray[np.uint8]:
    """Full scale to full scale: value * 255 / (2**bits - 1), rounded."""
    bits, inverted = 16, False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = int(image.tag_v2.get(258, (16,))[0])
        inverted = image.tag_v2.get(262) == 0
    top = 2**bits - 1
    grey = _by_rows(np.asarray(image), lambda rows: np.minimum((rows.astype(np.uint32) * 255 + top // 2) // top, 255))
    return 255 - grey if inverted else grey


def _by_range(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Values of no fixed scale: [0, 1] times 255, [0, 255] as they are, anything else stretched from least to most."""
    if not np.all(np.isfinite(values)):
        raise MalformedError("it has pixels that are not finite numbers")
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    span = (high - low) or 1.0
    return _by_rows(values, lambda rows: np.rint((rows.astype(np.float64) - low) / span * 255))


def _upright(rgb: Image, orientation: int) -> Image:
    """Applies an EXIF orientation (EXIF 2.32, section 4.6.4 A: where row 0 and column 0 of the stored picture are)."""
    if orientation >= 5:
        rgb = cv2.transpose(rgb)
    flip = _FLIPS.get(orientation)
    return rgb if flip is None else cast(Image, cv2.flip(rgb, flip))
