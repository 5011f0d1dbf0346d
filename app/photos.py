"""Where photos come from: files, folders and uploads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PhotoUnreadableError
from pipeline.images import PHOTO_SUFFIXES, VIDEO_SUFFIXES, Photo, one_line, open_photo

#: A file of this name in a folder says that results were written there: photos in it were not taken by anybody.
RESULTS_MARKER = ".knownface-results"


@dataclass(frozen=True, slots=True)
class Upload:
    """A photo that came as bytes: what it is called, and its bytes."""

    name: str
    data: bytes


Source = str | Path | Upload


def open_source(source: Source, *, max_bytes: int, max_pixels: int) -> Photo:
    """Opens a photo under these limits.

    Raises:
        PhotoError: It cannot be used.
    """
    if isinstance(source, Upload):
        return open_photo(source.data, name=source.name, max_bytes=max_bytes, max_pixels=max_pixels)
    if isinstance(source, Path) and is_folder(source) and not os.access(source, os.R_OK | os.X_OK):
        raise PhotoUnreadableError(f"{one_line(str(source))}: the folder cannot be listed: check its permissions")
    return open_photo(source, max_bytes=max_bytes, max_pixels=max_pixels)


def name_of(source: Source) -> str:
    """What a photo is called in results."""
    return source.name if isinstance(source, Upload) else str(source)


def is_folder(path: Path) -> bool:
    """Whether this is a folder; a path that cannot be looked at (too long, not permitted) is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_video(source: Source) -> bool:
    """Whether the name of a file says that it is a video."""
    return isinstance(source, (str, Path)) and Path(source).suffix.lower() in VIDEO_SUFFIXES


def unfollowed_links(folder: Path) -> str:
    """That links to folders are not followed, where `folder` holds one: for where no photo was found; else ""."""
    try:
        link = next((path for path in sorted(folder.iterdir()) if path.is_symlink() and is_folder(path)), None)
    except OSError:
        return ""
    return f" (links to folders are not followed: {one_line(link.name)})" if link else ""


def photos_in(folder: Path, *, videos: bool = False) -> list[Path]:
    """Every file below a folder whose suffix is that of a photo (or of a video), sorted.

    Hidden ones are left out, and so are folders of results. Links to folders are not followed. A folder that cannot be
    listed is in the result itself, so that it becomes a row with an error instead of being passed over.
    """
    found: list[Path] = []
    suffixes = PHOTO_SUFFIXES | VIDEO_SUFFIXES if videos else PHOTO_SUFFIXES

    def refused(error: OSError) -> None:
        found.append(Path(error.filename))

    for where, folders, files in os.walk(folder, onerror=refused):
        if RESULTS_MARKER in files and where != str(folder):
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        candidates = (Path(where, name) for name in files if not name.startswith("."))
        found += [path for path in candidates if path.suffix.lower() in suffixes and not is_folder(path)]
    return sorted(found)
