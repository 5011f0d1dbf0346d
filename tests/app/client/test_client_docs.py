"""The programs in docs/client.md run as they stand against a server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app import jobs
from tests.api_server import made_state
from tests.conftest import REPOSITORY
from tests.fakes import GREEN, RED, write_bars
from tests.loopback import serving
from tests.made_runs import made_run

PAGE = REPOSITORY / "docs" / "client.md"
PROGRAMS = list(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
SERVED = "http://127.0.0.1:8600"


def test_here_and_there_differ_in_one_line() -> None:
    here, there = (text.splitlines()[2:] for text in PROGRAMS[:2])
    assert [number for number, (one, other) in enumerate(zip(here, there, strict=True)) if one != other] == [0]


@pytest.mark.parametrize("number", [number for number, text in enumerate(PROGRAMS) if SERVED in text])
def test_the_programs_run(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, colour in {"ada1.jpg": RED, "a.jpg": RED, "b.jpg": GREEN, "Pictures/c.jpg": RED}.items():
        write_bars(tmp_path / "here" / "x.png", colour).replace(_made(tmp_path / "here" / name))
    monkeypatch.chdir(tmp_path / "here")
    state = made_state(tmp_path)

    def start(job: jobs.Job, *_: object, **__: object) -> None:
        made_run(state.services.settings.home, "summer", {"/p/c.jpg": ["ada"]}).decide(state.services)

    monkeypatch.setattr(jobs.Job, "start", start)
    with serving(state) as url:
        exec(compile(PROGRAMS[number].replace(SERVED, url), str(PAGE), "exec"), {})  # noqa: S102 - as the page says it
    said = capsys.readouterr().out
    wanted = {1: "a.jpg match Ada Lovelace", 2: "finished: 1 of 1", 3: "non_match non_match"}
    assert wanted[number] in said


def _made(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
