"""Shards written byte by byte, from the formats' descriptions and not from our readers."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import cv2
import numpy as np


def crop(value: int, *, seed: int = 0) -> np.ndarray:
    """A crop whose red is `value`, with something to see in it."""
    rgb = np.random.default_rng([seed, value]).integers(0, 255, (112, 112, 3), dtype=np.uint8)
    rgb[..., 0] = value
    return rgb


def png(rgb: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", rgb[..., ::-1])[1])


# --- RecordIO --------------------------------------------------------------------------------------------------------


def packed(labels: Sequence[float], data: bytes, key: int, *, listed: bool | None = None) -> bytes:
    if listed or (listed is None and len(labels) > 1):
        return struct.pack("<IfQQ", len(labels), 0.0, key, 0) + b"".join(struct.pack("<f", x) for x in labels) + data
    return struct.pack("<I", 0) + struct.pack("<f", labels[0]) + struct.pack("<QQ", key, 0) + data


def framed(record: bytes) -> bytes:
    """One record as dmlc's writer leaves it: cut wherever the magic number stands at a multiple of four."""
    magic = b"\x0a\x23\xd7\xce"
    pieces, start = [], 0
    for at in range(0, len(record) - 3, 4):
        if record[at : at + 4] == magic:
            pieces.append(record[start:at])
            start = at + 4
    pieces.append(record[start:])
    out = b""
    for number, piece in enumerate(pieces):
        flag = 0 if len(pieces) == 1 else 1 if number == 0 else 3 if number == len(pieces) - 1 else 2
        out += magic + (flag * 2**29 + len(piece)).to_bytes(4, "little") + piece + b"\0" * (-len(piece) % 4)
    return out


# --- TFRecord --------------------------------------------------------------------------------------------------------


def crc32c(data: bytes) -> int:
    """Bit by bit, the polynomial 0x1EDC6F41 reflected (Castagnoli 1993)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32)


def tf_frame(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(number: int, data: bytes) -> bytes:
    """A protobuf field of bytes."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def example(features: dict[str, bytes | int]) -> bytes:
    """A tf.Example: Example.features(1).feature(1) is a map of name(1) to Feature(2)."""
    entries = b""
    for name, value in features.items():
        kind = field(1, field(1, value)) if isinstance(value, bytes) else field(3, field(1, varint(value)))
        entries += field(1, field(1, name.encode()) + field(2, kind))
    return field(1, entries)


# --- tar -------------------------------------------------------------------------------------------------------------


def tar_member(name: str, data: bytes) -> bytes:
    """A ustar header and its data, padded to blocks of 512 bytes."""
    head = bytearray(512)
    head[0 : len(name)] = name.encode()
    head[100:108], head[108:116], head[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    head[124:136], head[136:148] = b"%011o\0" % len(data), b"00000000000\0"
    head[156:157], head[257:265] = b"0", b"ustar\x0000"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + data + b"\0" * (-len(data) % 512)


TAR_END = b"\0" * 1024
