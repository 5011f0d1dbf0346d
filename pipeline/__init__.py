"""The library: photo in, faces, templates and decisions out. No user interface, no training framework.

    from pipeline import build_recognizer, compare, open_photo

What is named here is imported when it is first used, so that `import pipeline` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.build import build_recognizer
    from pipeline.config import Settings
    from pipeline.images import open_photo
    from pipeline.recognizer import Recognizer, compare

__all__ = ["Recognizer", "Settings", "build_recognizer", "compare", "open_photo"]

_HOME = {
    "Recognizer": "pipeline.recognizer",
    "Settings": "pipeline.config",
    "build_recognizer": "pipeline.build",
    "compare": "pipeline.recognizer",
    "open_photo": "pipeline.images",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
