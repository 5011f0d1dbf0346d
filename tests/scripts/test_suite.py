"""All tests are in one group and one only; a group that fails, or dies, fails the whole, and each is heard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.suite import GROUPS, REPOSITORY, Suite

_SAYS = (sys.executable, "-c", "import sys; print('FAILED', *sys.argv[1:]); sys.exit(int(sys.argv[-1]))")


def _takes(group: tuple[str, ...], file: str) -> bool:
    under = [word for word in group if not word.startswith("--")]
    ignored = [word.removeprefix("--ignore=") for word in group if word.startswith("--")]
    return any(Path(file).is_relative_to(one) for one in under) and not any(
        Path(file).is_relative_to(one) for one in ignored
    )


def test_each_test_is_in_one_group() -> None:
    files = [str(file.relative_to(REPOSITORY)) for file in (REPOSITORY / "tests").rglob("test_*.py")]
    assert len(files) > 200
    assert {file: sum(_takes(group, file) for group in GROUPS) for file in files} == dict.fromkeys(files, 1)


def test_training_is_with_nothing_else() -> None:
    (with_training,) = [group for group in GROUPS if _takes(group, "tests/training/test_x.py")]
    assert with_training == ("tests/training",)


def test_one_that_fails_fails_the_whole_and_all_are_heard(capfd: pytest.CaptureFixture[str]) -> None:
    assert Suite(_SAYS).run([("a", "0"), ("b", "3"), ("c", "0")]) == 1
    said = capfd.readouterr().out
    assert all(f"FAILED {name}" in said for name in ("a 0", "b 3", "c 0"))
    assert said.splitlines()[-3:] == ["suite: b 3: ended with 3", "FAILED b 3", "suite: 1 of 3 groups failed"]


def test_one_that_is_killed_fails_the_whole(capfd: pytest.CaptureFixture[str]) -> None:
    dies = (sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert Suite(dies).run([("a",)]) == 1
    assert "suite: a: ended with -9" in capfd.readouterr().out


def test_all_well(capfd: pytest.CaptureFixture[str]) -> None:
    assert Suite(_SAYS).run([("a", "0"), ("b", "0")]) == 0
    assert capfd.readouterr().out.endswith("suite: all well\n")


def test_told_to_end_it_ends_what_it_started(tmp_path: Path) -> None:
    waits = f"import os, pathlib, time; pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch(); time.sleep(600)"
    code = (
        "import signal, sys; from tests.suite import Suite, _stop; signal.signal(signal.SIGTERM, _stop); "
        f"Suite((sys.executable, '-c', {waits!r}), 2).run([('a',), ('b',), ('c',)])"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.DEVNULL) as whole:
        while len(list(tmp_path.iterdir())) < 2:
            assert whole.poll() is None
            time.sleep(0.01)
        whole.send_signal(signal.SIGTERM)
        assert whole.wait(120) == 128 + signal.SIGTERM
    assert len(list(tmp_path.iterdir())) == 2, "nothing else was started"
    for child in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(child.name), 0)
