"""Where runs are kept: `<home>/runs/NAME/`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import RunNameError
from pipeline.images import one_line

LEDGER = "ledger.sqlite3"
LOCK = "run.lock"
#: Where a run that a page started keeps what it knows of its process, and photos that were brought along.
JOB = "job"
BROUGHT = "input"
_NAME = re.compile(r"[\w][\w .+-]{0,99}")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def runs_folder(home: Path) -> Path:
    """Where all runs of a data folder lie."""
    return home / "runs"


def check_name(name: str) -> str:
    """The name, if a folder can be called so everywhere.

    Raises:
        RunNameError: It is empty, too long, or has anything but letters, digits, spaces and `. _ + -`.
    """
    if not _NAME.fullmatch(name) or name[-1] in " ." or _RESERVED.fullmatch(name):
        raise RunNameError(
            f"{one_line(name)!r} cannot be the name of a run: use up to 100 letters, digits, spaces and . _ + -, "
            "beginning with a letter or digit"
        )
    return name


def run_folder(home: Path, name: str) -> Path:
    """The folder of one run, which need not be there.

    Raises:
        RunNameError: The name cannot be used.
    """
    return runs_folder(home) / check_name(name)


def brought_names(folder: Path) -> Callable[[str], str]:
    """What takes a run's own folder out of paths and sentences: of a photo that was brought along the name is left.

    Args:
        folder: Of the run.
    """
    prefix = f"{(folder / JOB / BROUGHT).absolute()}{os.sep}"
    return lambda text: text.replace(prefix, "")


def ledger_file(home: Path, name: str) -> Path:
    """The ledger of one run, which need not be there."""
    return run_folder(home, name) / LEDGER
