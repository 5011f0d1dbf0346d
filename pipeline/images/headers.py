"""What can be told of a photo from its bytes without decoding: format, size, which way up, whether it is whole.

JPEG, PNG and WebP are read here by hand: JPEG because a walk over its markers is what tells a truncated file from a
whole one before either decoder sees it, PNG because only its pixel chunks are passed on (text, profile and animation
chunks of any size are never inflated), WebP because its decoder allocates the canvas when it is created. The other
formats have their header read by their decoder, in `decode`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.errors import PhotoTooLargeError

MAX_JPEG_SCANS = 100  # progressive photos have about ten; a million cheap scans would decode for hours
MAX_JPEG_MARKERS = 10_000
MAX_PNG_CHUNKS = 100_000
MAX_SIDE = 65_535  # what the formats of cameras can say; decoders take their time by the row
MAX_TIFF_STRIPS = 65_536  # each becomes an object of the decoder and a read of its own
MAX_TIFF_VALUES = 4 * MAX_TIFF_STRIPS  # of numbers in one tag: a colour map of 16 bits has 196,608
_TIFF_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_TIFF_STRIP_TAGS = {273, 279, 324, 325}  # offsets and sizes of strips and tiles
_TIFF_SIZE_TAGS = {256, 257, 278, 322, 323}  # width, height, rows per strip, tile width, tile height
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # neither a stuffed zero, nor a restart, nor filling
_NO_FRAME = {0xC4, 0xC8, 0xCC}  # in the range of SOFn: DHT, JPG, DAC
_PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}
_AVIF_BRANDS = {b"avif", b"avis"}


class MalformedError(ValueError):
    """The bytes break the rules of their format; the message says how, as the end of `<file>: is damaged: `."""


@dataclass(frozen=True, slots=True)
class Header:
    """Size and orientation of a photo as they stand in the file.

    Attributes:
        format: JPEG, PNG, WEBP, BMP, TIFF, GIF, HEIF or AVIF.
        stored_hw: Height and width in pixels before the orientation is applied.
        orientation: EXIF orientation, 1 to 8: what the decoder does not apply itself.
        components: Colour components per pixel for JPEG; 0 for the other formats.
        arithmetic: JPEG with arithmetic coding.
        pixel_bytes: What is passed to the decoder; None where that is the whole file.
    """

    format: str
    stored_hw: tuple[int, int]
    orientation: int = 1
    components: int = 0
    arithmetic: bool = False
    pixel_bytes: bytes | None = None

    @property
    def image_hw(self) -> tuple[int, int]:
        """Height and width in pixels of the upright photo."""
        height, width = self.stored_hw
        return (width, height) if self.orientation >= 5 else (height, width)


def sniff(data: bytes) -> str | None:
    """Format by content (never by name): JPEG, PNG, WEBP, BMP, TIFF, GIF, HEIF, AVIF; None for anything else."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        size = min(max(int.from_bytes(data[:4], "big"), 16), 256)
        brands = [data[8:12], *(data[at : at + 4] for at in range(16, size, 4))]
        return next(("AVIF" if b in _AVIF_BRANDS else "HEIF" for b in _likely(brands)), None)
    return None


def _likely(brands: list[bytes]) -> list[bytes]:
    """Brands that name a codec first: mif1 and msf1 say only that it is an image."""
    known = [b for b in brands if b in _HEIF_BRANDS | _AVIF_BRANDS]
    return sorted(known, key=lambda b: b in (b"mif1", b"msf1", b"mif2"))


def exif_orientation(exif: bytes | None) -> int:
    """Orientation, 1 to 8, from an EXIF block (with or without its `Exif` prefix); 1 if absent or not readable.

    Only the first directory is read, so no loop or nesting in the block can matter. EXIF 2.32, section 4.6.4 A.
    """
    if not exif:
        return 1
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 10:
        return 1
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, start)
    for at in range(start + 2, min(start + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, number = struct.unpack_from(order + "HHI", exif, at)
        if tag == 0x0112:
            value: int = struct.unpack_from(order + ("I" if kind == 4 else "H"), exif, at + 8)[0]
            return value if kind in (3, 4) and number >= 1 and 1 <= value <= 8 else 1
    return 1


def jpeg_header(data: bytes) -> Header:
    """Walks over the markers of a JPEG up to its end marker.

    Raises:
        MalformedError: The end marker is missing (truncated), there is no frame, or the structure is broken.
    """
    frame: tuple[int, int, int, int] | None = None  # marker, height, width, components
    exif: bytes | None = None
    kept: list[bytes] = []  # the file without its EXIF segments, which Pillow would unfold tag by tag
    at, scans, copied = 2, 0, 0
    for _ in range(MAX_JPEG_MARKERS):
        found = _JPEG_MARKER.search(data, at)
        if found is None:
            raise MalformedError("it ends before its end marker, so a part is missing")
        marker, at = data[found.end() - 1], found.end()
        if marker == 0xD9:
            header = _jpeg_result(frame, scans, exif)
            if header.components in (1, 3) and not header.arithmetic:  # for OpenCV, which looks for no tags
                return header
            return replace(header, pixel_bytes=b"".join((*kept, data[copied:])))
        if marker == 0x01:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if length < 2 or at + length > len(data):
            raise MalformedError("it ends in the middle of a segment, so a part is missing")
        body = data[at + 2 : at + length]
        at += length
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME and frame is None:
            if len(body) < 6:
                raise MalformedError("its frame header is too short")
            frame = (marker, *struct.unpack_from(">xHHB", body))
        elif marker == 0xE1 and body.startswith(b"Exif\0\0"):
            exif = exif or body
            kept.append(data[copied : at - length - 2])
            copied = at
        elif marker == 0xDA:
            scans += 1
            if scans > MAX_JPEG_SCANS:
                break
    raise MalformedError("it has more scans or segments than any photo")


def _jpeg_result(frame: tuple[int, int, int, int] | None, scans: int, exif: bytes | None) -> Header:
    if frame is None or scans == 0:
        raise MalformedError("it has no picture between its start and end markers")
    marker, height, width, components = frame
    arithmetic = marker in (0xC9, 0xCA)
    return Header("JPEG", (height, width), exif_orientation(exif), components, arithmetic)


def png_header(data: bytes) -> Header:
    """Walks over the chunks of a PNG and keeps those that hold pixels.

    Raises:
        MalformedError: The header chunk is missing or there are absurdly many chunks.
    """
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise MalformedError("its header chunk is missing or cut short")
    width, height = struct.unpack_from(">II", data, 16)
    kept, exif = [data[:8]], None
    at = 8
    for _ in range(MAX_PNG_CHUNKS):
        if at + 12 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind in _PIXEL_CHUNKS:
            kept.append(data[at : at + 12 + length])
        elif kind == b"eXIf" and exif is None:  # the standard allows it behind the pixels, too
            exif = data[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"IEND":
            break
    else:
        raise MalformedError("it has more chunks than any photo")
    return Header("PNG", (height, width), exif_orientation(exif), pixel_bytes=b"".join(kept))


def webp_hw(data: bytes) -> tuple[int, int]:
    """Height and width of the canvas of a WebP (RFC 9649, sections 2.5 to 2.7).

    Raises:
        MalformedError: The first chunk is none of VP8, VP8L, VP8X, or is cut short.
    """
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return int.from_bytes(data[27:30], "little") + 1, int.from_bytes(data[24:27], "little") + 1
    if kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return ((bits >> 14) & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack_from("<HH", data, 26)
        return height & 0x3FFF, width & 0x3FFF
    raise MalformedError("its header is missing or cut short")


def check_tiff(data: bytes) -> None:
    """Refuses a TIFF whose first directory would keep its decoder busy for minutes or fill the memory.

    TIFF 6.0, section 2, and BigTIFF. A directory that cannot be followed is left to the decoder to refuse.

    Raises:
        MalformedError: It has more strips or tiles than any photo, a tag with absurdly many numbers, or tags that hold
            more bytes than the file.
    """
    sizes: dict[int, int] = {}
    held = 0
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    for tag, kind, count, inline in _tiff_entries(data):
        width = _TIFF_TYPE_BYTES.get(kind, 0)
        if tag in _TIFF_STRIP_TAGS and count > MAX_TIFF_STRIPS and count * width <= len(data):
            raise MalformedError(f"it has {count} strips or tiles, more than any photo")
        if width > 1 and count > MAX_TIFF_VALUES and count * width <= len(data):
            raise MalformedError("one of its tags holds more numbers than that of any photo")
        offset = 0 if count * width <= len(inline) else int.from_bytes(inline, order)
        held += min(count * width, max(len(data) - offset, 0))
        if tag in _TIFF_SIZE_TAGS and count >= 1 and kind in (1, 3, 4, 16) and count * width <= len(inline):
            sizes[tag] = int.from_bytes(inline[:width], order)
    if held > max(len(data), 1 << 16):
        raise MalformedError("its tags hold more bytes than the whole file")
    strips = -(-sizes.get(257, 0) // max(sizes.get(278, 0) or MAX_TIFF_STRIPS, 1))
    across, down = sizes.get(322, 0), sizes.get(323, 0)
    tiles = -(-sizes.get(256, 0) // across) * -(-sizes.get(257, 0) // down) if across and down else 0
    if (tiles or strips) > MAX_TIFF_STRIPS:
        raise MalformedError(f"it claims {tiles or strips} strips or tiles, more than any photo")


def _tiff_entries(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Tag, type, count and the bytes of the value (or of its offset) of each entry of the first directory."""
    order = "<" if data[:2] == b"II" else ">"
    big = b"+" in data[2:4]
    head, entry = ("Q", "HHQ8s") if big else ("H", "HHI4s")
    step = struct.calcsize(order + entry)
    try:
        (start,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        (count,) = struct.unpack_from(order + head, data, start)
        first = start + struct.calcsize(order + head)
        for at in range(first, min(first + step * count, len(data) - step + 1), step):
            yield struct.unpack_from(order + entry, data, at)
    except (struct.error, OverflowError):
        return


def check_pixels(hw: tuple[int, int], label: str, max_pixels: int) -> None:
    """Refuses a photo of no or of more than `max_pixels` pixels, or with a side over MAX_SIDE.

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
    if max(height, width) > MAX_SIDE:
        raise PhotoTooLargeError(
            f"{label}: has {width}x{height} pixels; no side may have more than {MAX_SIDE}; cut it into parts"
        )
