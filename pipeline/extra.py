"""Says which extra installs a package that is not there."""

from __future__ import annotations

import importlib.util

from pipeline.errors import ExtraMissingError


def need(extra: str, *packages: str) -> None:
    """Raises unless every package is installed.

    Raises:
        ExtraMissingError: One is not; names it and the command that installs it.
    """
    for package in packages:
        if not _installed(package):
            raise ExtraMissingError(f"{package} is not installed: run pip install 'knownface[{extra}]'")


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False
