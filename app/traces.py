"""Looks for what was erased in every file of some folders: the proof that it is gone, or where it is not."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from app.needles import Needle, Search, What

PIECE = 24
"""Bytes of one piece of a vector or crop that is looked for."""

SHORTEST_NAME = 4
"""Bytes: a shorter name stands anywhere by chance, and is not looked for."""

_HEAD, _TAIL = 60, 16  # bytes that any PNG may begin or end with
_FEW = 6  # different bytes in a piece that could be anything
_BLOCK = 16 << 20


@dataclass(frozen=True, slots=True)
class Trace:
    """Something that is still there.

    Attributes:
        file: Where.
        what: What sort of thing.
    """

    file: str
    what: What


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan has looked at and found.

    Attributes:
        files: How many files.
        size: Their bytes.
        unread: Files that could not be read.
        traces: What is still there.
        links: Symbolic links that were not followed: what lies behind them was not looked at.
    """

    files: int
    size: int
    unread: tuple[str, ...]
    traces: tuple[Trace, ...]
    links: tuple[str, ...] = ()


def needles_of(held: Mapping[str, Any]) -> list[Needle]:
    """What to look for of a subject.

    Args:
        held: What `Gallery.export` says of it.

    Returns:
        Pieces of every vector (float32 and float64 of both byte orders, float16, base64, hex), of every crop (as it is
        and in base64), and the name (UTF-8, UTF-16, escaped as in JSON, quoted as in a URL, composed and decomposed).
    """
    found: dict[Needle, None] = {}
    for sample in held["samples"]:
        for template in sample["templates"]:
            vector = np.frombuffer(base64.b64decode(template["vector_f32"]), "<f4")
            for coded in _codings(vector):
                found.update(dict.fromkeys(Needle("vector", piece) for piece in _pieces(coded)))
        if sample["crop_png"] is not None:
            crop = base64.b64decode(sample["crop_png"])
            for data in (crop[_HEAD:-_TAIL], base64.b64encode(crop)[_HEAD * 2 : -_TAIL * 2]):
                found.update(dict.fromkeys(Needle("crop", piece) for piece in _pieces(data)))
    found.update(dict.fromkeys(Needle("name", data) for data in _spellings(held["subject"])))
    return list(found)


def _codings(vector: np.ndarray[Any, np.dtype[np.float32]]) -> Iterator[bytes]:
    for kind in ("<f4", ">f4", "<f8", ">f8", "<f2"):
        yield vector.astype(kind).tobytes()
    plain = vector.tobytes()
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    yield base64.b64encode(plain)


def _pieces(data: bytes) -> Iterator[bytes]:
    """Some pieces that no page border cuts all at once; none that is nearly empty."""
    for start in range(0, len(data) - PIECE + 1, max(PIECE, len(data) // 6 // 8 * 8)):
        piece = data[start : start + PIECE]
        if len(set(piece)) >= _FEW:
            yield piece


def _spellings(name: str) -> Iterator[bytes]:
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, name)
        for spelling in (text, text.casefold(), json.dumps(text)[1:-1], quote(text)):
            if len(spelling.encode()) >= SHORTEST_NAME:
                yield spelling.encode()
        if len(text.encode()) >= SHORTEST_NAME:
            yield text.encode("utf-16-le")
            yield text.encode("utf-16-be")


def scan(folders: Sequence[Path], needles: Sequence[Needle], skip: Iterable[Path] = ()) -> Scan:
    """Reads every file below the folders and looks for the needles in it, and in its name.

    Args:
        folders: Where to look, and single files; a file that lies below two of them is read once.
        needles: What to look for.
        skip: Folders that are passed over.
    """
    passed, search = {path.resolve() for path in skip}, Search(needles)
    count, size, unread, traces, links = 0, 0, [], [], []
    for file in _files(folders, passed):
        if file.is_symlink():
            links.append(str(file))
            continue
        count += 1
        named: set[What] = {needle.what for needle in needles if needle.what == "name" and needle.data in bytes(file)}
        try:
            size += file.stat().st_size
            found = named | _in_file(file, search)
        except OSError as error:
            unread.append(f"{file} ({error.strerror})")
            found = named
        traces += [Trace(str(file), what) for what in sorted(found)]
    return Scan(count, size, tuple(unread), tuple(traces), tuple(links))


def _files(folders: Sequence[Path], passed: set[Path]) -> Iterator[Path]:
    """Files, and links as they are: none is followed, since it may lead anywhere."""
    seen: set[Path] = set()
    queue = [folder.resolve() for folder in folders]
    while queue:
        folder = queue.pop()
        if folder.is_file() and folder not in seen:
            seen.add(folder)
            yield folder
        if folder in seen or folder in passed or not folder.is_dir():
            continue
        seen.add(folder)
        for path in sorted(folder.iterdir()):
            if path.is_symlink():
                yield path
            elif path.is_dir():
                queue.append(path)
            elif path.is_file() and path not in seen:
                seen.add(path)
                yield path


def _in_file(file: Path, search: Search) -> set[What]:
    found: set[What] = set()
    with file.open("rb") as stream:
        rest = b""
        while block := stream.read(_BLOCK):
            data = rest + block
            found |= search.within(data, found)
            rest = data[-(search.longest - 1) :] if search.longest > 1 else b""
    return found
