"""What a camera or stream is called, to FFmpeg and to people."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from pipeline.errors import StreamError
from pipeline.images import one_line


@dataclass(frozen=True, slots=True)
class LiveSource:
    """Where frames come from.

    Attributes:
        name: To be printed: without password, and without what stands behind a question mark.
        url: As FFmpeg wants it.
        format: Of a camera; None: FFmpeg finds out.
        live: It goes on for ever and is connected anew; a file does not.
    """

    name: str
    url: str
    format: str | None
    live: bool

    @classmethod
    def of(cls, text: str) -> Self:
        """A webcam by its number, a URL, or a path.

        Raises:
            StreamError: A webcam's number on a system whose cameras have none.
        """
        if text.isdecimal():
            if sys.platform == "win32":
                raise StreamError(f"camera {text}: cameras have no numbers on Windows: name a stream's URL")
            mac = sys.platform == "darwin"
            url = text if mac else f"/dev/video{int(text)}"
            return cls(f"camera {int(text)}", url, "avfoundation" if mac else "v4l2", live=True)
        scheme = text.partition("://")[0].lower() if "://" in text else ""
        if scheme in ("", "file"):
            return cls(one_line(text), text.removeprefix("file://"), None, live=False)
        return cls(without_secrets(text), text, None, live=True)


def without_secrets(url: str) -> str:
    """A URL with nothing in it that lets somebody in: no user, password, query or fragment."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        parts, host, port = urlsplit(""), "", ""
    if not host or "@" in parts.path:  # a password with a slash in it has been torn apart
        return one_line(url.partition("://")[0]) + "://…"
    return one_line(urlunsplit((parts.scheme, (f"[{host}]" if ":" in host else host) + port, parts.path, "", "")))
