"""What the process of a job does: the command, and the record of how it ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

from filelock import FileLock, Timeout

from app.jobs import Job, now
from pipeline.gallery import private

_INTERRUPTED = 130


def main(folder: str) -> None:
    """Runs the job of this folder. A second process for the same one leaves at once."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell started the server behind it
    job = Job(Path(folder))
    try:
        with FileLock(job.folder / "job.lock", timeout=5, mode=private.FILE_MODE):
            _write(job.folder / "pid", str(os.getpid()))
            code = _run(job)
            _write(job.folder / "end.json", json.dumps({"code": code, "finished": now()}))
    except Timeout:
        code = 3
    os._exit(code)  # the networks need not be taken apart


def _run(job: Job) -> int:
    about = job.about()
    try:
        if about is None:
            return 3
        from app.cli.main import main as command

        return command(about.arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # asked twice: what is left to do is done all the same
        if about is not None and about.discard:
            shutil.rmtree(job.input, ignore_errors=True)


def _write(file: Path, text: str) -> None:
    """Whole or not at all."""
    part = file.with_suffix(".part")
    private.touch(part)
    part.write_text(text, encoding="utf-8")
    part.replace(file)
