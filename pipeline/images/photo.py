"""The handle to one photo that the pipeline works with."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import cv2
import numpy as np

from pipeline.images.decode import can_reduce, decode, read_header
from pipeline.images.headers import Header
from pipeline.images.jpeg_quality import jpeg_quality
from pipeline.images.source import MAX_BYTES, MAX_PIXELS, check_bytes, one_line, read_file
from pipeline.types import Image

_KEPT = 2  # decodes kept per photo


class Photo:
    """A photo opened but not yet decoded; safe to use from several threads.

    Its frame is the upright original: full resolution, EXIF orientation applied, origin at the top left corner of the
    top left pixel. Made by `open_photo` and `from_array`.

    Attributes:
        source: What to call it in messages and reports: path or upload name, safe to print on one line.
        image_hw: Height and width in pixels of the upright original.
    """

    __slots__ = ("_data", "_decoded", "_header", "_lock", "_sha256", "image_hw", "source")

    def __init__(self, source: str, data: bytes, header: Header | None, decoded: Image | None = None) -> None:
        """For `open_photo` and `from_array`: either `header` or `decoded` is given."""
        self.source = source
        self._data = data
        self._header = header
        self._decoded: dict[int, Image] = {}
        self._lock = threading.Lock()
        self._sha256: str | None = None
        if decoded is not None:
            self._decoded[1] = decoded
            self.image_hw: tuple[int, int] = (decoded.shape[0], decoded.shape[1])
        else:
            assert header is not None  # noqa: S101 - narrows the type
            self.image_hw = header.image_hw

    def __repr__(self) -> str:
        return f"Photo({self.source!r}, {self.image_hw[1]}x{self.image_hw[0]})"

    @property
    def sha256(self) -> str:
        """SHA-256 in hexadecimal, of the encoded bytes; of height, width and pixels for `from_array`."""
        if self._sha256 is None:
            digest = hashlib.sha256(self._data)
            if self._header is None:
                digest = hashlib.sha256(f"{self.image_hw[0]}x{self.image_hw[1]}:".encode())
                digest.update(self._decoded[1].data)
            self._sha256 = digest.hexdigest()
        return self._sha256

    @property
    def jpeg_quality(self) -> float | None:
        """How it was compressed: 1 to 100 as libjpeg counts; None where it is no JPEG."""
        return jpeg_quality(self._data)

    def pixels(self, max_side: int | None = None) -> Image:
        """The upright pixels.

        At full resolution or, where the codec can decode at a reduced scale (JPEG: 1/2, 1/4, 1/8), at the smallest
        such scale whose longer side is still at least `max_side`, or at a larger one that is decoded already. It is
        not resized to `max_side`; the scale per axis is `result.shape / image_hw`.

        Args:
            max_side: Pixels that the longer side needs to have; None for full resolution.

        Returns:
            (H, W, 3) uint8 RGB, C-contiguous and read-only: it is shared with other callers, so copy before writing.

        Raises:
            PhotoDamagedError: Truncated or corrupt.
            PhotoTooLargeError: There is not enough memory.
        """
        wanted = self._denominator(max_side)
        with self._lock:
            for denominator in sorted(self._decoded, reverse=True):
                if denominator <= wanted:
                    return self._decoded[denominator]
            assert self._header is not None  # noqa: S101 - from_array always has denominator 1
            image = decode(self._data, self._header, self.source, wanted)
            image.flags.writeable = False
            while len(self._decoded) >= _KEPT:
                del self._decoded[next(iter(self._decoded))]
            self._decoded[wanted] = image
            return image

    def let_go(self) -> None:
        """Forgets the decoded pixels, which are decoded anew when they are asked for again."""
        with self._lock:
            if self._header is not None:
                self._decoded.clear()

    def thumbnail(self, max_side: int) -> Image:
        """The photo with its longer side at most `max_side` pixels, area-resampled; never enlarged.

        Returns:
            (H, W, 3) uint8 RGB, the caller's own to write to.

        Raises:
            PhotoDamagedError: Truncated or corrupt.
            PhotoTooLargeError: There is not enough memory.
        """
        image = self.pixels(max_side)
        height, width = self.image_hw
        scale = max_side / max(height, width)
        if scale >= 1:
            return image.copy()
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return small

    def _denominator(self, max_side: int | None) -> int:
        if max_side is not None and max_side < 1:
            raise ValueError(f"max_side must be at least 1, not {max_side}")
        if max_side is None or self._header is None or not can_reduce(self._header):
            return 1
        longer = max(self.image_hw)
        return next((d for d in (8, 4, 2) if -(-longer // d) >= max_side), 1)


def open_photo(
    source: str | Path | bytes,
    *,
    name: str | None = None,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    sha256: str | None = None,
) -> Photo:
    """Opens a photo: reads it, checks its header and the limits, decodes nothing yet.

    Args:
        source: Path of a file, or the encoded bytes of a photo.
        name: What to call it in messages and reports; the path if None.
        max_bytes: Largest file that is read.
        max_pixels: Largest photo, in pixels, that is accepted; checked before decoding.
        sha256: Hash of the encoded bytes, in hexadecimal, where it is known already.

    Returns:
        The photo. JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC and AVIF, told apart by content; of several pages or frames
        the first.

    Raises:
        PhotoNotFoundError: There is no such file.
        PhotoUnreadableError: A folder, pipe or device, a missing permission, or an I/O error.
        PhotoEmptyError: No bytes.
        PhotoFormatError: Not an image, or a format that is not supported.
        PhotoDamagedError: Broken header, or seen to be truncated; other damage is found by `Photo.pixels`.
        PhotoTooLargeError: Over `max_bytes` or `max_pixels`.
    """
    if isinstance(source, (str, Path)):
        label = one_line(name or str(source))
        data = read_file(Path(source), label, max_bytes)
    else:
        label = one_line(name or "photo")
        data = bytes(source)
        check_bytes(label, len(data), max_bytes)
    photo = Photo(label, data, read_header(data, label, max_pixels))
    photo._sha256 = sha256
    return photo


def from_array(rgb: Image, name: str = "array", *, sha256: str | None = None, copy: bool = True) -> Photo:
    """A photo of pixels that are decoded already.

    Args:
        rgb: (H, W, 3) uint8 RGB, upright.
        name: What to call it in messages and reports.
        sha256: Its identity, 64 hexadecimal digits; by default a hash of the pixels.
        copy: False hands the array over where it is C-contiguous: the caller must not write to it any more.

    Raises:
        ValueError: Another shape or dtype, or no pixels.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(f"rgb must be uint8 of shape (H, W, 3), not {rgb.dtype} of shape {rgb.shape}")
    pixels = np.array(rgb, order="C") if copy else np.ascontiguousarray(rgb)
    pixels.flags.writeable = False
    photo = Photo(one_line(name), b"", None, pixels)
    photo._sha256 = sha256
    return photo
