"""A retention job that is killed between two people, or between erasing somebody and certifying it."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.needles import Search
from app.runs import Run
from app.services import Services
from app.traces import needles_of
from pipeline.gallery import Anchor, NewConsent, Scribe
from tests.app_runs import fake_services
from tests.fakes import BLUE, GREEN, RED, write_bars
from tests.made_runs import decide_by_name, made_run

PEOPLE = {"Xanthippe Zwetschkenbaum": RED, "Yolanda Quittenbirne": GREEN, "Zenobia Pflaumenmus": BLUE}

#: Runs the job; says when it comes to the place where it is to be killed, and waits there.
JOB = """
import sys, time
from pathlib import Path
from pipeline.gallery import Anchor, Gallery, Scribe
from tests.app_runs import fake_services
home, method, calls = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
services = fake_services(home, home / "gallery")
services.gallery._scribe = Scribe("job", Anchor(home))
before, seen = getattr(Gallery, method), []
def stop(self, *arguments, **more):
    seen.append(1)
    if len(seen) == calls:
        print("here", flush=True)
        time.sleep(600)
    return before(self, *arguments, **more)
setattr(Gallery, method, stop)
services.retain(dry_run=False)
"""


def made(home: Path) -> Services:
    services = fake_services(home, home / "gallery")
    services.gallery._scribe = Scribe("grace", Anchor(home))
    return services


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three people whose consents have ended, two of them in a run."""
    with closing(made(tmp_path)) as services:
        for name, colour in PEOPLE.items():
            services.enrol(name, [write_bars(tmp_path.parent / f"{tmp_path.name}-{name[0]}.png", colour)])
            services.gallery.consent(name, NewConsent("door", expires=datetime.now(UTC) - timedelta(days=90)))
    run = made_run(tmp_path, "r", {"/photos/1.jpg": ["x"], "/photos/2.jpg": ["y"]})
    decide_by_name(run, enrolled=["x", "y"])
    return tmp_path


@pytest.mark.parametrize(
    ("method", "calls"), [("require_erasable", 3), ("erase", 2), ("load", 2), ("stands_as", 2), ("record", 2)]
)
def test_a_job_that_was_killed_is_gone_on_with(home: Path, method: str, calls: int) -> None:
    with closing(made(home)) as services:
        needles = {name: needles_of(services.gallery.export(name)) for name in PEOPLE}
    command = [sys.executable, "-c", JOB, str(home), method, str(calls)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as job:
        assert job.stdout is not None
        assert job.stdout.readline() == b"here\n"
        job.kill()
        assert job.wait() == -signal.SIGKILL
    with closing(made(home)) as services:
        gone = set(PEOPLE) - {info.name for info in services.gallery.subjects()}
        assert len(gone) in {1, 2}, "killed after the first"
        assert services.verify_audit().findings == ()
        certified = {entry.target for entry in services.gallery.audit(action="erase_certificate")}
        erased = {entry.target for entry in services.gallery.audit(action="erase")}
        assert certified <= erased
        assert {problem.kind for problem in services.policy_problems()} >= (
            {"no_certificate"} if erased - certified else set()
        )
        rest = services.retain(dry_run=False)
        assert all(one.complete for one in rest.erased)
        assert len(services.gallery) == 0
        assert list(Run.open(home, "r").files())
        assert services.verify_audit().findings == ()
    data = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    for name, some in needles.items():
        assert Search(some).within(data) == set(), f"{name} is erased whole, killed or not"
