"""Programs that may do less than this one: root without its override of file modes, and mounts of their own.

Root may write where the mode of a file says that nobody may, so that a test of read-only folders would test nothing.
`weak` is a `preexec_fn` that takes that capability from the program about to be started. `read_only` and `small_disk`
are for inside a program: they mount in a name space of their own, which ends with it, and need CAP_SYS_ADMIN.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_CLONE_NEWNS = 0x20000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18


def weak() -> None:
    """Before exec: the program will be refused what the modes of files refuse, even as root."""
    if os.geteuid() == 0:
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            _call("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0)


def read_only(folder: Path) -> None:
    """Makes the folder a read-only file system for this program."""
    _private_mounts()
    place = str(folder).encode()
    _call("mount", place, place, None, _MS_BIND, None)
    _call("mount", place, place, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY, None)


def small_disk(folder: Path, size: int) -> None:
    """Makes the folder a file system of this many bytes, in memory, for this program."""
    _private_mounts()
    _call("mount", b"tmpfs", str(folder).encode(), b"tmpfs", 0, f"size={size}".encode())


def may_mount() -> bool:
    """Whether `read_only` and `small_disk` will work."""
    if sys.platform != "linux":
        return False
    code = "from tests.confined import small_disk; import pathlib; small_disk(pathlib.Path('/mnt'), 1 << 20)"
    root = Path(__file__).parents[1]
    return subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=False).returncode == 0


def _private_mounts() -> None:
    _call("unshare", _CLONE_NEWNS)
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)


def _call(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
