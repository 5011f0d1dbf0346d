"""How strongly a JPEG was compressed, from its quantisation table alone."""

from __future__ import annotations

import struct
from statistics import median

#: Luminance table of ITU-T T.81 (1992), annex K.1, in zigzag order; libjpeg scales it by the quality.
_STANDARD = (
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40,
    26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51,
    56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87,
    95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
)  # fmt: skip
_START_OF_SCAN, _TABLES = 0xDA, 0xDB
_ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a length
_SIZE = 64
_LARGEST_STEP = 255  # of a baseline JPEG: larger ones are cut to it
_STEPS_ALL_CUT = 5000.0


def jpeg_quality(data: bytes) -> float | None:
    """The quality on libjpeg's scale that the luminance table comes closest to; a photo saved twice shows the last one.

    Args:
        data: The file.

    Returns:
        1 to 100; None where it is no JPEG, or has no table before its first scan.
    """
    if not data.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:  # a fill byte, or a marker alone
            at += 1 if marker == 0xFF else 2
            continue
        if marker == _START_OF_SCAN:
            return None
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker == _TABLES and (table := _first_table(data[at + 4 : at + 2 + length])):
            return _quality(table)
        at += 2 + max(2, length)
    return None


def _first_table(segment: bytes) -> tuple[int, ...] | None:
    """Table 0 of a segment of tables; None where it does not hold it."""
    at = 0
    while at < len(segment):
        wide, number = segment[at] >> 4, segment[at] & 15
        size = _SIZE * (2 if wide else 1)
        body = segment[at + 1 : at + 1 + size]
        if len(body) < size:
            return None
        if number == 0:
            return struct.unpack(f">{_SIZE}{'H' if wide else 'B'}", body)
        at += 1 + size
    return None


def _quality(table: tuple[int, ...]) -> float:
    """libjpeg: scale = 5000 / quality below 50, 200 - 2 · quality from there on."""
    ratios = [100 * step / usual for step, usual in zip(table, _STANDARD, strict=True) if step < _LARGEST_STEP]
    scale = median(ratios) if ratios else _STEPS_ALL_CUT
    quality = (200 - scale) / 2 if scale <= 100 else 5000 / scale
    return min(100.0, max(1.0, quality))
