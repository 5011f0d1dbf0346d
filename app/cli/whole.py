"""Whether the installation is whole."""

from __future__ import annotations

import importlib.util

from pipeline.errors import RuntimeUnavailableError


def check_opencv() -> None:
    """Looks whether `cv2` is there, without importing it.

    opencv-python and opencv-python-headless install the same files. Where both were there and one was removed, nothing
    is left, or a folder that imports as an empty package.

    Raises:
        RuntimeUnavailableError: It is not.
    """
    found = importlib.util.find_spec("cv2")
    if found is None or found.origin is None:
        raise RuntimeUnavailableError(
            "OpenCV (cv2) is not whole: run pip install --force-reinstall --no-deps opencv-python-headless"
        )
