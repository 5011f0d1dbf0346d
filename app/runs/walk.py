"""Which files a run is about: folders walked without recursion, in a fixed order, nothing held but one folder's names.

Links to folders are not followed, so no loop of links can be walked twice; a folder that is named itself may be a link.
Hidden files and folders, and folders of results, are passed over. What cannot be listed or looked at is found as well,
with the reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from app.photos import RESULTS_MARKER
from app.runs.ledger import Found
from app.runs.row_types import Kind
from pipeline.errors import PhotoUnreadableError
from pipeline.images import PHOTO_SUFFIXES, VIDEO_SUFFIXES, one_line


@dataclass(frozen=True)
class Chosen:
    """Which files of a folder are wanted.

    A pattern without a slash is held against every name in a path below the folder, one with a slash against the whole
    of it; `*` and `?` stop at a slash, `**` does not. Case does not matter.

    Attributes:
        include: A file must fit one of these; with none, every photo and video does.
        exclude: What fits one of these is left out, folders with all that is in them.
        skip: Folders that are left out wherever they are found: where results are written to.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    skip: frozenset[str] = frozenset()

    @cached_property
    def _included(self) -> list[re.Pattern[str]]:
        return [_regex(pattern) for pattern in self.include]

    @cached_property
    def _excluded(self) -> list[re.Pattern[str]]:
        return [_regex(pattern) for pattern in self.exclude]

    def takes(self, relative: str) -> bool:
        """Whether a file at this path below the folder is wanted, by the patterns."""
        if self.leaves_out(relative):
            return False
        return not self.include or any(pattern.fullmatch(relative) for pattern in self._included)

    def leaves_out(self, relative: str) -> bool:
        """Whether a file or folder at this path is left out with all that is in it."""
        return any(pattern.fullmatch(relative) for pattern in self._excluded)

    def reaches(self, path: str, roots: Sequence[str]) -> bool:
        """Whether the patterns let a walk from these roots come upon a file, wherever it is found below one of them.

        Args:
            path: Absolute path of the file.
            roots: Absolute paths of files and folders.
        """
        if path in roots:
            return True
        starts = (os.path.join(root, "") for root in roots)  # noqa: PTH118 - with the slash at its end
        return any(self._reaches(path[len(s) :].replace(os.sep, "/")) for s in starts if path.startswith(s))

    def _reaches(self, relative: str) -> bool:
        folders = (relative[: slash.start()] for slash in re.finditer("/", relative))
        return self.takes(relative) and not any(self.leaves_out(folder) for folder in folders)


def kind_of(name: str) -> Kind | None:
    """Photo or video, by the suffix; None for neither."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - of a hundred thousand names
    if suffix in PHOTO_SUFFIXES:
        return "photo"
    return "video" if suffix in VIDEO_SUFFIXES else None


def walk(roots: Sequence[str], chosen: Chosen) -> Iterator[Found]:
    """Every file that is wanted, by folders; a file named as a root is taken whatever its suffix.

    Args:
        roots: Absolute paths of files and folders.
        chosen: Which files of the folders.
    """
    for root in roots:
        if os.path.isdir(root):  # noqa: PTH112 - links are followed here
            yield from _folder(root, chosen)
        else:
            yield _file(root, kind_of(root) or "photo")


def _folder(root: str, chosen: Chosen) -> Iterator[Found]:
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda e: os.fsencode(e.name))
        except OSError:
            label = one_line(folder)
            message = f"{label}: the folder cannot be listed: check its permissions"
            yield Found(folder, "photo", error=PhotoUnreadableError.code, message=message)
            continue
        if folder != root and any(entry.name == RESULTS_MARKER for entry in entries):
            continue  # photos sorted by people, or the pictures of a report: not what somebody took
        deeper = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            relative = entry.path[len(root) :].lstrip(os.sep).replace(os.sep, "/")
            if _is_folder(entry):
                if entry.path not in chosen.skip and not chosen.leaves_out(relative):
                    deeper.append(entry.path)
            elif (kind := kind_of(entry.name)) and chosen.takes(relative) and not _links_to_folder(entry):
                yield _file(entry.path, kind)
        waiting += reversed(deeper)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _links_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError:
        return False


def _file(path: str, kind: Kind) -> Found:
    """A file with what tells whether it has changed; one that cannot be looked at is found without."""
    try:
        status = os.stat(path)  # noqa: PTH116 - of a hundred thousand paths
    except (OSError, ValueError):
        return Found(path, kind)
    return Found(path, kind, status.st_size, status.st_mtime_ns)


def _regex(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression for the path below the folder, with slashes."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.replace(os.sep, "/").removeprefix("./").rstrip("/"))
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    text = "".join(signs.get(part) or re.escape(part) for part in parts)
    anywhere = "/" not in pattern.rstrip("/")
    return re.compile(f"(?:.*/)?{text}(?:/.*)?" if anywhere else text, re.IGNORECASE | re.DOTALL)
