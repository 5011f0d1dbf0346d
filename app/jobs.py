"""Long work for a page: the command line as a process of its own, which outlives the page and the server.

A job lies in a folder: what was asked for (`job.json`), what its process said (`log.txt`), how it ended
(`end.json`), and what it works on and may be thrown away with it (`input/`). How far it is, the command's own records
say. A lock that its process holds tells whether it is alive, so that a number which another process has got meanwhile
is never signalled.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from pipeline.errors import JobError
from pipeline.gallery import private

_ROOT = Path(__file__).resolve().parent.parent
_START_S = 30.0
_ASK_S = 0.05  # whoever else asks holds the lock for a moment as well
_LOG_TAIL = 4096
_SIGNALS = 128  # exit codes from here on: it was stopped
#: A clone that is not installed is found too, behind everything else.
_CODE = f"import sys; sys.path.append({str(_ROOT)!r}); from app.job_process import main; main(sys.argv[1])"


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a job.

    Attributes:
        arguments: The command line, without the program.
        by: Who started it.
        started: When (ISO, UTC).
        code: Its exit code; None while it is alive, and where it was killed.
        finished: When it ended (ISO, UTC), None likewise.
        discard: Whether `input/` is thrown away when it ends.
        note: What whoever started it wants to know again.
    """

    arguments: tuple[str, ...]
    by: str
    started: str
    code: int | None
    finished: str | None
    discard: bool
    note: str = ""

    @property
    def ended(self) -> Literal["done", "refused", "stopped"]:
        """How it ended, where it is not alive; `refused` says why in its last words."""
        if self.code == 0:
            return "done"
        return "stopped" if self.code is None or self.code >= _SIGNALS else "refused"


class Job:
    """One job, running or not.

    Args:
        folder: Where it lies; it need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.input = folder / "input"
        self.log, self._lock = folder / "log.txt", folder / "job.lock"
        self._job, self._end, self._pid = folder / "job.json", folder / "end.json", folder / "pid"

    def start(
        self,
        arguments: Sequence[str],
        variables: Mapping[str, str],
        *,
        by: str,
        discard: bool = False,
        note: str = "",
    ) -> None:
        """Starts `knownface ARGUMENTS...`; returns once its process is there.

        Args:
            arguments: The command line, without the program.
            variables: Of the environment, beside those there are.
            by: Who starts it.
            discard: Throw `input/` away when it ends.
            note: Kept, for whoever asks what the job was about.

        Raises:
            JobError: It is alive already, or cannot be started.
        """
        if self.alive():
            raise JobError("this is under way already: wait for it, or stop it first")
        private.make_folder(self.folder)
        for file in (self._end, self._pid):
            file.unlink(missing_ok=True)
        about = {"arguments": list(arguments), "by": by, "started": now(), "discard": discard, "note": note}
        private.touch(self._job)
        self._job.write_text(json.dumps(about), encoding="utf-8")
        private.touch(self.log)
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("STREAMLIT_")}
        with self.log.open("wb") as log:
            try:
                process = subprocess.Popen(  # noqa: S603 - our own command line
                    [sys.executable, "-P", "-c", _CODE, str(self.folder)],
                    env=kept | dict(variables),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,  # what ends the server's terminal does not end it
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
            except OSError as error:
                raise JobError(f"the process could not be started ({error.strerror or error})") from error
        threading.Thread(target=process.wait, daemon=True).start()  # so that it leaves no zombie
        self._wait(process)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + _START_S
        while not self._pid.exists() and process.returncode is None:
            if time.monotonic() > until:
                process.kill()
                raise JobError("the process did not begin in time: the machine may be overloaded, try again")
            time.sleep(0.02)

    def alive(self) -> bool:
        """Whether its process is there."""
        if not self.folder.is_dir():
            return False
        with suppress(Timeout), FileLock(self._lock, timeout=_ASK_S, poll_interval=0.01, mode=private.FILE_MODE):
            return False
        return True

    def stop(self) -> None:
        """Asks it to end as Ctrl-C does: what is complete is kept. Returns at once; nothing where it is not alive."""
        with suppress(OSError, ValueError):
            if self.alive():
                how = signal.SIGINT if os.name == "posix" else signal.SIGTERM
                os.kill(int(self._pid.read_text()), how)

    def about(self) -> About | None:
        """What is known of it; None where it never was started, or its record cannot be read."""
        try:
            job = json.loads(self._job.read_text(encoding="utf-8"))
            end = json.loads(self._end.read_text(encoding="utf-8")) if self._end.is_file() else {}
            asked = tuple(job["arguments"]), job["by"], job["started"]
            return About(*asked, end.get("code"), end.get("finished"), job["discard"], job["note"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def last_words(self) -> str:
        """The last line its process wrote, "" where it said nothing."""
        with suppress(OSError), self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _LOG_TAIL))
            lines = log.read().decode("utf-8", "replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""

    def remove(self) -> None:
        """Throws it away with everything in its folder.

        Raises:
            JobError: It is alive.
        """
        if self.alive():
            raise JobError("this is under way: stop it first")
        shutil.rmtree(self.folder, ignore_errors=True)


def forget(folders: Iterable[Path], name: str) -> int:
    """Takes lines that name somebody out of what jobs have said; the bytes are overwritten where they lie.

    Args:
        folders: Of the jobs; one that is alive is passed over.
        name: Whom.

    Returns:
        How many lines.

    Raises:
        JobError: A log cannot be read or written.
    """
    count = 0
    for folder in folders:
        job = Job(folder)
        if job.log.is_file() and not job.alive():
            try:
                count += _without(job.log, name)
            except OSError as error:
                raise JobError(f"{job.log}: cannot be read or written ({error.strerror or error})") from error
    return count


def _without(log: Path, name: str) -> int:
    told = {form.casefold() for form in (name, json.dumps(name)[1:-1])}
    with log.open("r+b") as file:
        lines = file.read().split(b"\n")
        kept = [line for line in lines if not any(form in line.decode("utf-8", "replace").casefold() for form in told)]
        if len(kept) < len(lines):
            size = file.tell()
            file.seek(0)
            file.write(b"\n".join(kept).ljust(size, b"\n"))
            file.flush()
            os.fsync(file.fileno())
            file.truncate(len(b"\n".join(kept)))
    return len(lines) - len(kept)


def now() -> str:
    """The time, ISO, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
