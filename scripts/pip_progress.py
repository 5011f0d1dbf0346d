"""`python scripts/pip_progress.py ARGUMENTS`: `pip install ARGUMENTS` that says in a line how far it is.

pip itself is either silent for minutes or prints hundreds of lines. Only the standard library is used: this runs before
anything is installed. What pip said is shown where it fails.
"""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

EVERY_S = 5.0  # a line so often where nobody can see one change
_FETCHED = re.compile(r"\s*(?:Downloading|Using cached) (?:\S*/)?(?P<file>[^/\s]+)(?: \((?P<size>[\d.]+ [kMG]?B)\))?")
_USUAL = re.compile(
    r"\s*(Collecting|Downloading|Using cached|Requirement already|Installing collected|WARNING: Location)"
)


class Watch:
    """How far pip is, by what it prints.

    Args:
        installed: How many packages are installed now.
    """

    def __init__(self, installed: Callable[[], int]) -> None:
        self._installed = installed
        self._before = 0
        self._found = self._fetched = self._wanted = 0
        self._file = ""

    def hear(self, line: str) -> None:
        """A line of pip's."""
        if line.startswith(("Collecting ", "Obtaining ")):
            self._found += 1
        elif line.startswith("Installing collected packages: "):
            self._wanted, self._before = line.count(",") + 1, self._installed()
        elif (match := _FETCHED.match(line)) and not match["file"].endswith(".metadata"):
            self._fetched += 1
            self._file = match["file"].split("-")[0] + (f", {match['size']}" if match["size"] else "")

    def words(self) -> str:
        """What is being done, and how much of it is done."""
        if self._wanted:
            done = min(max(0, self._installed() - self._before), self._wanted)
            return f"installing: {done} of {self._wanted} packages"
        found = f"looking for packages: {self._found} found"
        return f"{found}, {self._fetched} fetched ({self._file})" if self._fetched else found


class Teller:
    """Says it: one line that changes on a terminal, else a line now and then."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock, self._start = out, clock, clock()
        self._last, self._width = self._start, 0

    def tell(self, words: str) -> None:
        """What is being done now."""
        now = self._clock()
        if self._out.isatty():
            line = f"setup: {words}, {now - self._start:.0f} s"[:78]
            self._out.write(f"\r{line:<{self._width}}")
            self._width = len(line)
        elif now - self._last >= EVERY_S:
            self._last = now
            self._out.write(f"setup: {words}, {now - self._start:.0f} s\n")
        self._out.flush()

    def end(self, words: str) -> None:
        """The last line."""
        if self._out.isatty():
            self._out.write(f"\r{'':<{self._width}}\r")
        self._out.write(f"setup: {words} in {self._clock() - self._start:.0f} s\n")
        self._out.flush()


def follow(command: list[str], watch: Watch, teller: Teller) -> tuple[int, list[str]]:
    """Runs pip to its end; its exit status, and everything it printed."""
    lines: queue.Queue[str | None] = queue.Queue()
    said: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:

        def read() -> None:
            assert pip.stdout is not None
            for line in pip.stdout:
                lines.put(line.rstrip())
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        while True:
            try:
                line = lines.get(timeout=1)
            except queue.Empty:
                line = ""
            if line is None:
                break
            if line:
                said.append(line)
                watch.hear(line)
            teller.tell(watch.words())
    return pip.returncode, said


def main(arguments: list[str]) -> int:
    """Entry point."""
    site = Path(sysconfig.get_path("purelib"))
    teller = Teller(sys.stderr)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    code, said = follow([*pip, *arguments], Watch(lambda: sum(1 for _ in site.glob("*.dist-info"))), teller)
    teller.end("failed" if code else "installed")
    if code:
        sys.stderr.write("".join(f"  {line}\n" for line in said if not _USUAL.match(line)))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
