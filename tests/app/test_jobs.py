"""Jobs: processes that outlive whoever started them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app import jobs
from app.jobs import Job
from pipeline.errors import JobError

#: A command that sleeps until it is asked to end, instead of the real one.
_SLEEPS = jobs._CODE.replace(
    "main(sys.argv", "import app.cli.main as m, time; m.main = lambda _: time.sleep(600); main(sys.argv"
)


def until(condition: Callable[[], bool]) -> None:
    for _ in range(9000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to that within three minutes")


def known(job: Job) -> jobs.About:
    about = job.about()
    assert about is not None
    return about


def test_a_command_runs_and_says_how_it_ended(tmp_path: Path) -> None:
    job = Job(tmp_path / "job")
    assert not job.alive()
    assert job.about() is None
    job.start(["no-such-command"], {}, by="ada", note="why")
    until(lambda: not job.alive())
    about = known(job)
    assert (about.arguments, about.by, about.note, about.code) == (("no-such-command",), "ada", "why", 2)
    assert "no-such-command" in job.log.read_text()
    assert job.last_words()
    for file in (job.log, tmp_path / "job" / "job.json"):
        assert file.stat().st_mode & 0o077 == 0


def test_it_is_stopped_as_by_ctrl_c_and_what_it_worked_on_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_CODE", _SLEEPS)
    job = Job(tmp_path / "job")
    job.input.mkdir(parents=True)
    (job.input / "photo.jpg").write_bytes(b"x")
    job.start(["identify"], {}, by="ada", discard=True)
    assert job.alive()
    assert known(job).code is None
    with pytest.raises(JobError, match="under way"):
        job.start(["identify"], {}, by="grace")
    with pytest.raises(JobError, match="stop it first"):
        job.remove()
    assert known(job).by == "ada"
    job.stop()
    until(lambda: not job.alive())
    assert known(job).code == 130
    assert not job.input.exists()
    job.remove()
    assert not job.folder.exists()


def test_it_outlives_who_started_it(tmp_path: Path) -> None:
    starts = (
        f"import os, signal; from pathlib import Path; from app import jobs; jobs._CODE = {_SLEEPS!r}; "
        f"jobs.Job(Path({str(tmp_path / 'job')!r})).start(['identify'], {{}}, by='ada'); os.killpg(0, signal.SIGKILL)"
    )
    server = subprocess.run([sys.executable, "-c", starts], start_new_session=True, check=False)
    assert server.returncode == -signal.SIGKILL
    job = Job(tmp_path / "job")
    assert job.alive()
    job.stop()
    until(lambda: not job.alive())
    assert known(job).code == 130


def test_a_number_that_another_process_has_got_is_not_signalled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path)
    (tmp_path / "pid").write_text("1")
    monkeypatch.setattr(jobs.os, "kill", lambda *_: pytest.fail("something was signalled"))
    job.stop()


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"arguments": []})])
def test_a_damaged_record_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.json").write_text(text)
    assert Job(tmp_path).about() is None


def test_what_a_job_said_of_somebody_is_erased_from_its_log(tmp_path: Path) -> None:
    job, other = Job(tmp_path / "one"), Job(tmp_path / "other")
    for one in (job, other):
        one.folder.mkdir()
        one.log.write_text("loading\nZo\u00eb K\u00f6nig: no crop of it is kept\nBob: neither\n" * 3, encoding="utf-8")
    other.log.write_text('{"subject": "Zo\\u00eb K\\u00f6nig"}\nBob\n', encoding="utf-8")
    assert jobs.forget([job.folder, other.folder, tmp_path / "none"], "Zo\u00eb K\u00f6nig") == 4
    assert job.log.read_text(encoding="utf-8") == "loading\nBob: neither\n" * 3
    assert other.log.read_text(encoding="utf-8") == "Bob\n"
    assert jobs.forget([job.folder, other.folder], "Zo\u00eb K\u00f6nig") == 0
