"""The faces of a cluster on one page: a picture (PNG, JPEG) or one self-contained HTML file."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Sequence
from html import escape
from math import ceil, sqrt
from pathlib import Path

import cv2
import numpy as np

from app.unknowns.naming import Member
from pipeline.counting import counted
from pipeline.errors import ConfigError
from pipeline.images import one_line
from pipeline.types import Image

_SIDE = 112
_MOST_ACROSS = 20
_PICTURES = (".png", ".jpg", ".jpeg")
SUFFIXES = (".html", ".htm", *_PICTURES)


def write_sheet(file: Path, title: str, faces: Sequence[Member]) -> None:
    """Writes the sheet under another name and renames it; only its owner may read it.

    Args:
        file: Where to; its suffix says what it is.
        title: The heading of the page.
        faces: The faces, in their order.

    Raises:
        ConfigError: The suffix is none of `SUFFIXES`, or the file cannot be written.
    """
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"{one_line(str(file))}: a sheet of faces is {', '.join(SUFFIXES)}: choose one of them")
    data = _encoded(montage(faces), suffix) if suffix in _PICTURES else _page(title, faces).encode()
    temporary: Path | None = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".sheet-")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        temporary.replace(file)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise ConfigError(
            f"{one_line(str(file))}: cannot be written ({error.strerror}): choose another file"
        ) from error


def montage(faces: Sequence[Member]) -> Image:
    """The thumbnails in rows, (H, W, 3) uint8 RGB, at most 20 across; a grid as square as can be."""
    across = min(_MOST_ACROSS, max(1, ceil(sqrt(len(faces)))))
    sheet = np.full((max(1, ceil(len(faces) / across)) * _SIDE, across * _SIDE, 3), 32, np.uint8)
    for number, face in enumerate(faces):
        jpeg = np.frombuffer(face.run.thumbnail(face.row.face_id), np.uint8)
        picture = cv2.cvtColor(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        y, x = number // across * _SIDE, number % across * _SIDE
        sheet[y : y + _SIDE, x : x + _SIDE] = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return sheet


def _encoded(picture: Image, suffix: str) -> bytes:
    done, data = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError("the sheet could not be encoded")
    return bytes(data)


def _page(title: str, faces: Sequence[Member]) -> str:
    figures = "".join(map(_figure, faces))
    return _PAGE.format(title=escape(title), count=counted(len(faces), "face"), figures=figures)


def _figure(face: Member) -> str:
    picture = base64.b64encode(face.run.thumbnail(face.row.face_id)).decode("ascii")
    photo = one_line(face.row.photo)
    return (
        f'<figure><img src="data:image/jpeg;base64,{picture}" alt="face {escape(face.row.face_id)}" loading="lazy">'
        f"<figcaption><b>{escape(face.row.face_id)}</b><span>{escape(photo)}</span></figcaption></figure>"
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title><style>
:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}}
main{{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:1rem}}figure{{margin:0}}
img{{width:100%;border-radius:6px;display:block}}figcaption{{font-size:.75rem;overflow-wrap:anywhere}}
figcaption span{{display:block;color:GrayText}}
</style></head><body><h1>{title}</h1><p>{count}. Take out with <code>knownface unknown split</code> and the codes
below whoever is somebody else.</p><main>{figures}</main></body></html>
"""
