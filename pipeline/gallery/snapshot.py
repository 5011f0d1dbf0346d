"""The index on disk: written whole to a temporary file, renamed, memory-mapped when it is opened.

    "KFINDEX2" · length and SHA-256 of the header · header (JSON) · sections, each at a multiple of 4,096 bytes
    sections: vectors (N, D) float32 · ids and labels (N,) int64 · name_ids (S,) int64 · names, UTF-8, one a line
              codes of the first rows, where the index has some, in FAISS's own form

The header carries the gallery's identity, the generation it shows, the model, and a CRC-32 for every 64 MB of each
section; all are checked before anything is used. A file that does not fit is not an error of the gallery: it is thrown
away and the index is read from the truth. In an encrypted gallery every section is a row of sealed blocks, whose
authentication stands for the checksums, and is decrypted into memory instead of mapped.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pipeline.gallery import private
from pipeline.gallery.codes import Codes
from pipeline.gallery.engine import DATABASE
from pipeline.gallery.segments import Segment
from pipeline.gallery.store import Meta
from pipeline.gallery.vault import blocks
from pipeline.gallery.vault.sealer import Sealer, SealError

_MAGIC = b"KFINDEX2"
_PREFIX = struct.Struct("<8sQ32s")
_ALIGN = 4096
_BLOCK = 64 << 20
_ROWS = 65536
SUFFIX = ".kfi"
Parts = Iterable[npt.NDArray[Any]]
TEMPORARY = ".tmp"


class SnapshotError(Exception):
    """The file cannot be used; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """An index as of one generation: its rows, the subjects' names by id, and where the truth was."""

    segments: tuple[Segment, ...]
    names: dict[int, str]
    at: Meta


def file_for(folder: Path, model_id: str) -> Path:
    """The index file of a model; the name does not contain what could not stand in one."""
    return folder / f"index-{hashlib.sha256(model_id.encode()).hexdigest()[:16]}{SUFFIX}"


def save(
    file: Path,
    segments: tuple[Segment, ...],
    names: dict[int, str],
    at: Meta,
    model_id: str,
    dimension: int,
    sealer: Sealer | None = None,
) -> None:
    """Writes the index: temporary file, fsync, rename, fsync of the folder.

    Args:
        file: Where it goes.
        segments: The rows; dead ones are left out. Those with codes stand first and have no dead rows.
        names: The subjects' names by id.
        at: The generation that all this shows.
        model_id: The model of the vectors.
        dimension: The length of a vector.
        sealer: Of an encrypted gallery; the sections are sealed then, in blocks.

    Raises:
        OSError: It could not be written; the file that was there is untouched and the temporary one is removed.
    """
    sections: dict[str, Parts] = {
        "vectors": _live(segments, "vectors"),
        "ids": _live(segments, "ids"),
        "labels": _live(segments, "labels"),
        "name_ids": [np.fromiter(names, np.int64, len(names))],
        "names": [np.frombuffer("\n".join(names.values()).encode(), np.uint8)],
    }
    header: dict[str, Any] = {"at": list(at), "model_id": model_id, "dimension": dimension}
    header["sealed"] = sealer is not None
    header |= {"count": sum(map(len, segments)), "subjects": len(names), "codes": [], "sections": {}}
    for number, segment in enumerate(segments):
        if segment.codes is not None:
            sections[f"codes_{number}"] = [segment.codes.to_bytes()]
            header["codes"].append([len(segment), segment.codes.bits])
    temporary = file.with_name(f"{file.name}.{os.getpid()}{TEMPORARY}")
    private.new_file(temporary, beside=file.with_name(DATABASE))
    try:
        with temporary.open("wb") as out:
            room = _room_for_header(header, dimension)
            out.seek(room)
            for name, plain in sections.items():
                parts = plain if sealer is None else blocks.sealed(plain, sealer, _identity(name, header))
                header["sections"][name] = _write_section(out, parts)
            text = json.dumps(header).encode()
            if _PREFIX.size + len(text) > room:
                raise OSError("the index's header is larger than foreseen")
            out.seek(0)
            out.write(_PREFIX.pack(_MAGIC, len(text), hashlib.sha256(text).digest()) + text)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def load(file: Path, model_id: str, dimension: int, truth: Meta, sealer: Sealer | None = None) -> Snapshot:
    """Opens an index file, checks every byte, and maps the vectors into memory.

    Args:
        file: The index file.
        model_id: The model it must be of.
        dimension: The length of a vector it must have.
        truth: Where the truth is; the file must be of this gallery and not ahead of it.
        sealer: Of an encrypted gallery, whose files are sealed; the sections are decrypted into memory.

    Raises:
        SnapshotError: Torn, damaged, of another gallery or model, or too old to follow.
        OSError: It cannot be read.
    """
    header = _read_header(file)
    try:
        return _opened(file, header, model_id, dimension, truth, sealer)
    except (KeyError, TypeError, AttributeError) as error:  # JSON that fits its hash, and is none of ours
        raise SnapshotError("its header is of another kind") from error


def _opened(
    file: Path, header: dict[str, Any], model_id: str, dimension: int, truth: Meta, sealer: Sealer | None
) -> Snapshot:
    at = Meta(*header["at"])
    if header["model_id"] != model_id or header["dimension"] != dimension:
        raise SnapshotError("it is of another model")
    if at.gallery_id != truth.gallery_id:
        raise SnapshotError("it is of another gallery")
    if not at.leads_to(truth):
        raise SnapshotError("its generation does not fit the gallery's")
    if header.get("sealed", False) != (sealer is not None):
        raise SnapshotError("it is not encrypted" if sealer is not None else "it is encrypted")
    raw = np.memmap(file, np.uint8, "r")
    parts = {name: _section(raw, *place, check=sealer is None) for name, place in header["sections"].items()}
    if sealer is not None:  # what is sealed is authenticated: a checksum would say nothing more
        parts = {name: _unsealed(part, sealer, name, header) for name, part in parts.items()}
    names = bytes(parts["names"]).decode().split("\n") if header["subjects"] else []
    name_ids = parts["name_ids"].view(np.int64).tolist()
    vectors = parts["vectors"].view(np.float32).reshape(header["count"], dimension)
    rows = Segment.of(vectors, parts["ids"].view(np.int64), parts["labels"].view(np.int64))
    return Snapshot(tuple(_segments(rows, header["codes"], parts)), dict(zip(name_ids, names, strict=True)), at)


def _segments(rows: Segment, coded: list[list[int]], parts: dict[str, npt.NDArray[np.uint8]]) -> Iterator[Segment]:
    """The rows with codes, one segment for each section of codes, and the others."""
    low = 0
    for number, (count, bits) in enumerate(coded):
        part = slice(low, low + count)
        segment = Segment.of(rows.vectors[part], rows.ids[part], rows.labels[part])
        codes = Codes.from_bytes(parts[f"codes_{number}"], rows.vectors.shape[1], bits, count)
        yield replace(segment, codes=codes)
        low += count
    yield Segment.of(rows.vectors[low:], rows.ids[low:], rows.labels[low:]) if low else rows


def generation_of(file: Path) -> int:
    """The generation an index file shows; -1 where that cannot be told."""
    try:
        return Meta(*_read_header(file)["at"]).generation
    except (SnapshotError, OSError, ValueError, KeyError, TypeError):
        return -1


def _read_header(file: Path) -> dict[str, Any]:
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
        raise SnapshotError("it is no file")
    size = status.st_size
    with file.open("rb") as source:
        prefix = source.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size or not prefix.startswith(_MAGIC):
            raise SnapshotError("it is no index file")
        _, length, digest = _PREFIX.unpack(prefix)
        text = source.read(min(length, size))
    if hashlib.sha256(text).digest() != digest:
        raise SnapshotError("its header is damaged")
    try:
        header: dict[str, Any] = json.loads(text)
    except RecursionError as error:
        raise SnapshotError("its header is nested too deeply") from error
    return header


def sync_folder(folder: Path) -> None:
    """Makes a rename in this folder durable."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _room_for_header(header: dict[str, Any], dimension: int) -> int:
    bits = max((bits for _, bits in header["codes"]), default=0)
    blocks = int(header["count"]) * (4 * dimension + 16 + bits // 8 + 8) // _BLOCK + 16 + 2 * len(header["codes"])
    return -(-(2048 + 64 * len(header["codes"]) + len(json.dumps(header)) + 12 * blocks) // _ALIGN) * _ALIGN


def _live(segments: tuple[Segment, ...], column: str) -> Iterator[npt.NDArray[Any]]:
    for segment in segments:
        values = getattr(segment, column)[: segment.count]
        live = segment.live
        for start in range(0, segment.count, _ROWS):
            part = slice(start, start + _ROWS)
            yield values[part] if live[part].all() else values[part][live[part]]


def _write_section(out: BinaryIO, parts: Parts) -> tuple[int, int, list[int]]:
    """Appends the parts at an aligned place; returns offset, length and the CRC-32 of each block."""
    offset = -(-out.tell() // _ALIGN) * _ALIGN
    out.seek(offset)
    sums, crc, filled = [], 0, 0
    for part in parts:
        data: memoryview = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
        out.write(data)
        while data:
            piece = data[: _BLOCK - filled % _BLOCK]
            crc, filled, data = zlib.crc32(piece, crc), filled + len(piece), data[len(piece) :]
            if filled % _BLOCK == 0:
                sums.append(crc)
                crc = 0
    if filled % _BLOCK:
        sums.append(crc)
    return offset, filled, sums


def _identity(name: str, header: dict[str, Any]) -> Callable[[int], str]:
    """What the blocks of a section are bound to, by their number."""
    place = [header["at"], header["model_id"], header["dimension"], header["count"]]
    return lambda number: json.dumps([name, number, *place])


def _unsealed(data: npt.NDArray[np.uint8], sealer: Sealer, name: str, header: dict[str, Any]) -> npt.NDArray[np.uint8]:
    try:
        return blocks.opened(data, sealer, _identity(name, header))
    except SealError as error:
        raise SnapshotError(f"a part of it {error}") from error


def _section(
    raw: npt.NDArray[np.uint8], offset: int, length: int, sums: list[int], *, check: bool
) -> npt.NDArray[np.uint8]:
    """One section as a read-only view; its checksums are held against it where that is wanted.

    Raises:
        SnapshotError: It is torn, or a checksum does not fit.
    """
    if length == 0:
        return np.zeros(0, np.uint8)
    if offset + length > len(raw):
        raise SnapshotError("it is torn: its end is missing")
    data = np.asarray(raw[offset : offset + length])
    if not check:
        return data
    pieces = [data[start : start + _BLOCK] for start in range(0, length, _BLOCK)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(zlib.crc32, pieces))
    if found != sums:
        raise SnapshotError("a checksum does not fit")
    return data
