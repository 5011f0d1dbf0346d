"""What `--sort-into` has put into a folder: a hidden file of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import pydantic

from app.photos import RESULTS_MARKER
from app.runs.output.files import folder_for, write_bytes
from pipeline.errors import ResultsError
from pipeline.images import one_line

How = Literal["symlink", "hardlink", "copy"]


@dataclass(frozen=True, slots=True)
class Placed:
    """A photo that was put into a folder: its path, the hash of its content, and how."""

    photo: str
    sha256: str
    how: How


class _Entry(pydantic.BaseModel, frozen=True, extra="forbid"):
    photo: str
    sha256: str
    how: How


class _Document(pydantic.BaseModel, frozen=True, extra="forbid"):
    """As it stands in the file. Paths are those of `os.fsdecode`, written so that JSON can say them."""

    format: Literal[1]
    folders: dict[str, str]
    files: dict[str, _Entry]


@dataclass
class Manifest:
    """The file of one folder.

    Attributes:
        root: The folder.
        folders: Subject to the name of their folder.
        files: Path below the folder to what was put there.
    """

    root: Path
    folders: dict[str, str] = field(default_factory=dict)
    files: dict[str, Placed] = field(default_factory=dict)

    @classmethod
    def open(cls, root: Path) -> Self:
        """Reads it; an empty one where the folder is new or empty.

        Raises:
            ResultsError: The folder has files of somebody else's, or the file cannot be read.
        """
        folder_for(root)
        file = root / RESULTS_MARKER
        label = one_line(str(root))
        try:
            if not file.exists():
                if next(root.iterdir(), None) is not None:
                    raise ResultsError(f"{label}: is not empty and was not made by --sort-into: name another folder")
                return cls(root)
            document = _Document.model_validate_json(file.read_bytes())
            files = {
                _inside(_decoded(name), parts=3): Placed(_decoded(e.photo), e.sha256, e.how)
                for name, e in document.files.items()
            }
            folders = {subject: _inside(name, parts=1) for subject, name in document.folders.items()}
        except (OSError, ValueError) as error:
            raise ResultsError(
                f"{label}: its {RESULTS_MARKER} cannot be read, so nothing says what was put here: name another folder"
            ) from error
        return cls(root, folders, files)

    def write(self) -> None:
        """Replaces the file.

        Raises:
            ResultsError: It cannot be written.
        """
        entries = {
            _encoded(name): _Entry(photo=_encoded(one.photo), sha256=one.sha256, how=one.how)
            for name, one in sorted(self.files.items())
        }
        folders = dict(sorted(self.folders.items()))
        document = _Document(format=1, folders=folders, files=entries)
        write_bytes(self.root / RESULTS_MARKER, document.model_dump_json(indent=1).encode() + b"\n")


def _inside(path: str, *, parts: int) -> str:
    """The path, which must lead to a place below the folder: the file may have come with a folder of somebody else's.

    Raises:
        ValueError: It leads elsewhere, or is deeper than anything that is put there.
    """
    names = path.split("/")
    foreign = "\0" if os.sep == "/" else "\0\\:"
    if len(names) > parts or any(name in ("", ".", "..") or set(name) & set(foreign) for name in names):
        raise ValueError(f"{path!r} leads out of the folder")
    return path


def _encoded(path: str) -> str:
    r"""A path as text that UTF-8 can say: `%` and bytes that are no text as `%XX`."""
    escaped = path.replace("%", "%25")
    return "".join(f"%{ord(c) - 0xDC00:02X}" if "\udc80" <= c <= "\udcff" else c for c in escaped)


def _decoded(text: str) -> str:
    from urllib.parse import unquote_to_bytes

    return os.fsdecode(unquote_to_bytes(text))
