"""How the OpenAPI document says that an answer is a picture."""

from __future__ import annotations

from typing import Any

_BYTES = {"schema": {"type": "string", "format": "binary"}}
#: The 200 of an address that answers with a JPEG, or with a PNG.
PICTURE_JPEG: dict[str, Any] = {"content": {"image/jpeg": _BYTES}, "description": "A JPEG."}
PICTURE_PNG: dict[str, Any] = {"content": {"image/png": _BYTES}, "description": "A PNG."}
