"""Every format but ordinary JPEG, through Pillow and pillow-heif. Imported when the first such photo comes."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

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

from pipeline.images.headers import Header, MalformedError, check_pixels, check_tiff, exif_orientation, webp_hw
from pipeline.types import Image

_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
_NOISY = {"TIFF", "AVIF", "JPEG"}
_NOISE = ((UserWarning, r"PIL\.TiffImagePlugin"), (PIL.Image.DecompressionBombWarning, r"PIL\.Image"))
_ROWS = 256

BOMBS = (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning)


def header(data: bytes, kind: str, label: str, max_pixels: int) -> Header:
    """What the file says of itself, read by Pillow without decoding. Raises whatever Pillow raises."""
    if kind == "WEBP":  # its decoder allocates the canvas on opening
        check_pixels(webp_hw(data), label, max_pixels)
    if kind == "TIFF":  # Pillow makes an object of each strip on opening
        check_tiff(data)
    with _quiet(kind), _READERS[kind](BytesIO(data)) as image:
        if kind != "TIFF":
            return Header(kind, (image.height, image.width), exif_orientation(image.info.get("exif")))
        assert isinstance(image, TiffImagePlugin.TiffImageFile)  # noqa: S101 - narrows the type
        tile = image.tag_v2.get(322, 1), image.tag_v2.get(323, 1)
        check_pixels(tile, label, max_pixels)
        return Header(kind, (image.height, image.width))  # Pillow turns a TIFF upright itself


class _Quiet:
    """While any photo is being read, what Pillow says of odd tags in TIFF and EXIF directories is ignored.

    It matters to nobody as long as the pixels decode. Before Python 3.14 filters are the whole process's: the first
    photo to come sets them, the last one to go sets them back, and none waits for another.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._outer = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._outer = warnings.catch_warnings()
                self._outer.__enter__()
                _ignore_noise()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._outer.__exit__(None, None, None)


_quiet_here = _Quiet()


@contextmanager
def _quiet(kind: str) -> Iterator[None]:
    if kind not in _NOISY:
        yield
    elif getattr(sys.flags, "context_aware_warnings", False):  # filters of this thread's own
        with warnings.catch_warnings():
            _ignore_noise()
            yield
    else:
        with _quiet_here:
            yield


def _ignore_noise() -> None:
    for category, module in _NOISE:
        warnings.filterwarnings("ignore", category=category, module=module)


def heif_header(data: bytes) -> Header:
    """The same for HEIC; libheif turns the picture upright itself."""
    width, height = _open_heif(data).size
    return Header("HEIF", (height, width))


def heif_pixels(data: bytes) -> Image:
    """(H, W, 3) uint8 RGB of a HEIC photo."""
    return _rgb(_open_heif(data).to_pillow())


def _open_heif(data: bytes) -> Any:
    import pillow_heif  # noqa: PLC0415 - large, and most photos are not HEIC

    return pillow_heif.open_heif(BytesIO(data), convert_hdr_to_8bit=True)


def pixels(data: bytes, kind: str) -> Image:
    """(H, W, 3) uint8 RGB, as stored: the caller turns it upright. Raises whatever Pillow raises."""
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
