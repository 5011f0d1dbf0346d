"""Photos of every format as bytes, whole or with parts that are made up: what tests send in."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import Any

import PIL.Image
import pillow_heif
import skimage.data


@cache
def portrait(side: int = 512) -> PIL.Image.Image:
    """A photo of one face: Eileen Collins, from scikit-image."""
    return PIL.Image.fromarray(skimage.data.astronaut()).resize((side, side), PIL.Image.Resampling.LANCZOS)


def encode(image: PIL.Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file of Pillow's format `kind`, or HEIF."""
    out = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(out, **options)
    else:
        image.save(out, kind, **options)
    return out.getvalue()


@cache
def sample(kind: str, side: int = 128) -> bytes:
    """The portrait in one of the supported formats."""
    options: dict[str, Any] = {"AVIF": {"speed": 10}, "JPEG": {"quality": 90}}.get(kind, {})
    return encode(portrait(side), kind, **options)


def exif_block(orientation: int, order: str = "<") -> bytes:
    """An EXIF block with nothing but an orientation, written by hand."""
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(order + "HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    """The JPEG with one more segment right after its start marker."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One PNG chunk with its check sum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, packed: bytes, depth: int = 8, colour: int = 2, *, extra: bytes = b"") -> bytes:
    """A PNG by hand; `packed` is the content of its IDAT, `extra` are chunks before it."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")


def tiff(entries: dict[int, tuple[int, int, int]], tail: bytes = b"", following: int = 0) -> bytes:
    """A little-endian TIFF by hand: tag -> (type, count, value or offset); `tail` follows the directory."""
    rows = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(entries.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + struct.pack("<I", following) + tail


def grey_tiff(width: int, height: int, **changes: tuple[int, int, int]) -> bytes:
    """An uncompressed 8-bit grey TIFF of at most 4096 pixels' data; `changes` are like t320=(3, 1, 5)."""
    entries = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
        273: (4, 1, 512),
        277: (3, 1, 1),
        278: (4, 1, height),
        279: (4, 1, min(width * height, 4096)),
    } | {int(key[1:]): value for key, value in changes.items()}
    return tiff(entries).ljust(512, b"\0") + bytes(range(256)) * 16


def strips_tiff(height: int, *, compression: int = 1, rows: tuple[int, int, int] = (3, 1, 1)) -> bytes:
    """A TIFF one pixel wide with one row per strip, and each strip with a place and a size of its own."""
    entries = {256: (3, 1, 1), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, compression), 262: (3, 1, 1)}
    entries |= {273: (4, height, 200), 277: (3, 1, 1), 278: rows, 279: (3, height, 200 + 4 * height)}
    head = tiff(entries).ljust(200, b"\0")
    return head + struct.pack("<I", 8) * height + struct.pack("<H", 1) * height


def shared_tags_tiff(count: int = 1500, size: int = 1 << 20) -> bytes:
    """A TIFF whose many tags all hold the same large value."""
    tags = {40000 + number: (7, size, 32768) for number in range(count)}
    entries = {256: (3, 1, 8), 257: (3, 1, 8), 258: (3, 1, 8), 262: (3, 1, 1), 273: (4, 1, 32768)}
    entries |= {277: (3, 1, 1), 278: (3, 1, 8), 279: (4, 1, 64)}
    return tiff(entries | tags).ljust(32768, b"\0") + bytes(size)
