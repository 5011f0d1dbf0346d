"""`python -m tests.suite`: all tests in groups, each a process of its own, two at a time.

Most tests keep one core busy or wait for a browser. Training has a process of its own, as it does for people: torch's
data loader handles SIGCHLD; where OpenVINO has run a network in the same process, the kernel could not lay out that
signal's frame (signal 11, SI_KERNEL) on a processor with AMX. What a group says is printed when it ends.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

REPOSITORY = Path(__file__).resolve().parent.parent
_PROGRAMS = ("tests/app/api", "tests/app/client")
_OF_THEIR_OWN = ("tests/contracts", "tests/pipeline", "tests/browser", "tests/docs", "tests/training", *_PROGRAMS)
#: The longest first, so that the two processes end at about the same time. The first holds whatever no other one names.
GROUPS: tuple[tuple[str, ...], ...] = (
    ("tests", *(f"--ignore={folder}" for folder in _OF_THEIR_OWN)),
    ("tests/pipeline/gallery", "tests/contracts"),  # who need PostgreSQL and Milvus, which are started once
    ("tests/browser", "tests/docs"),
    _PROGRAMS,
    ("tests/pipeline", "--ignore=tests/pipeline/gallery"),
    ("tests/training",),
)
_PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--durations=15", "--durations-min=2")


class Suite:
    """Runs groups of tests and prints what each says.

    Args:
        command: What a group's words are added to.
        together: Groups that run at the same time.
    """

    def __init__(self, command: Sequence[str] = _PYTEST, together: int = 2) -> None:
        self._command, self._together = command, together
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._over = False

    def run(self, groups: Sequence[Sequence[str]]) -> int:
        """0 if every group ended well; else 1, and the last lines say which did not and why."""
        with TemporaryDirectory() as folder, ThreadPoolExecutor(self._together) as pool:
            logs = [Path(folder) / str(number) for number in range(len(groups))]
            try:
                codes = list(pool.map(self._one, groups, logs))
            finally:
                self._end()
            failed = [(group, code, log) for group, code, log in zip(groups, codes, logs, strict=True) if code]
            for group, code, log in failed:
                _say(f"suite: {' '.join(group)}: ended with {code}")
                for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
                    if line.startswith(("FAILED ", "ERROR ", "Fatal Python error")):
                        _say(line)
        _say("suite: " + (f"{len(failed)} of {len(groups)} groups failed" if failed else "all well"))
        return 1 if failed else 0

    def _one(self, group: Sequence[str], log: Path) -> int:
        began = time.monotonic()
        with log.open("wb") as stream:
            with self._lock:
                if self._over:
                    return 1
                process = subprocess.Popen([*self._command, *group], cwd=REPOSITORY, stdout=stream, stderr=stream)
                self._running.add(process)
            code = process.wait()
        with self._lock:
            self._running.discard(process)
            _say(f"suite: {' '.join(group)}: {time.monotonic() - began:.0f} s")
            _say(log.read_text(encoding="utf-8", errors="replace"))
        return code

    def _end(self) -> None:
        """Where this is told to end, so is what it started; what was said by then is printed."""
        with self._lock:
            self._over = True
            for process in self._running:
                process.terminate()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _stop(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(Suite().run(GROUPS))
