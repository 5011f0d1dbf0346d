"""`knownface identify --run …` and `knownface runs …` as a contract: exit codes, JSON, data on stdout alone."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

import app.cli.identify_run
from app.cli.context import Context
from app.runs import Run
from app.runs.session import Session
from app.services import Services
from tests.app_runs import fake_services
from tests.commands import Cli, runner
from tests.fakes import BLUE, RED, write_bars


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_bars(tmp_path / "p/a.png", RED)
    write_bars(tmp_path / "p/b.png", BLUE, RED)
    (tmp_path / "p/copy.png").write_bytes((tmp_path / "p/a.png").read_bytes())
    return tmp_path / "p"


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolated_home: Path
) -> Cli:
    """Commands whose services know coloured bars; Ada, who is red, is enrolled."""

    def services(*_: object, **__: object) -> Services:
        return fake_services(isolated_home, tmp_path / "gallery")

    with closing(services()) as made:
        made.enrol("Ada", [write_bars(tmp_path / "ada.png", RED, note=9)])
    monkeypatch.setattr(Context, "services", services)
    return runner(capsys)


def test_a_run_prints_the_contract_s_document(cli: Cli, photos: Path, isolated_home: Path) -> None:
    result = cli("--json", "identify", photos, "--run", "r")
    assert result.code == 0
    document = result.document
    assert [(Path(face["photo"]).name, face["subject"]) for face in document["faces"]] == [
        *(("a.png", "Ada"), ("copy.png", "Ada"), ("b.png", None), ("b.png", "Ada"))
    ]
    assert document["errors"] == []
    assert {"photo", "box", "subject", "decision", "score", "runner_up", "reason"} <= set(document["faces"][0])
    assert (document["run"]["name"], document["run"]["faces"]) == ("r", 3)
    events = [json.loads(line) for line in result.err.splitlines()]
    assert {event["phase"] for event in events if event["event"] == "progress"} >= {"walking", "running", "deciding"}
    assert list(Run.open(isolated_home, "r").files())


def test_json_lines_are_the_whole_result_every_time(cli: Cli, photos: Path) -> None:
    first = cli("--json-lines", "identify", photos, "--run", "r").lines
    write_bars(photos / "c.png", (0, 0, 0))
    again = cli("--json-lines", "identify", photos, "--run", "r")
    assert len(first) == 4
    assert again.code == 0, "a photo of nobody is no failure"
    assert sorted(map(str, again.lines[:4])) == sorted(map(str, first))
    assert again.lines[4]["error"] == "no_face"


def test_files_that_cannot_be_used_are_rows_and_exit_3(cli: Cli, photos: Path, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    result = cli("identify", photos, "--run", "r", "--out", tmp_path / "out")
    assert result.code == 3
    assert "broken.jpg: is damaged" in result.err
    assert "written: " in result.out
    assert {file.name for file in (tmp_path / "out").iterdir()} >= {"results.csv", "results.jsonl", "report.html"}
    (error,) = cli("--json", "identify", photos, "--run", "r").document["errors"]
    assert (Path(error["photo"]).name, error["error"]) == ("broken.jpg", "photo_damaged")
    assert cli("identify", photos, tmp_path / "missing.jpg", "--run", "r2").code == 3


def test_a_summary_counts_what_gave_no_result(cli: Cli, tmp_path: Path) -> None:
    write_bars(tmp_path / "p/nobody.png", (0, 0, 0))
    result = cli("identify", tmp_path / "p", "--run", "r")
    assert result.out == "1 file, 0 faces: 0 named (0 people)\n1 file without a result: 1 without a face\n"
    assert "unknown list" not in result.err
    write_bars(tmp_path / "p/a.png", BLUE)
    (tmp_path / "p/broken.jpg").write_bytes(b"nothing")
    result = cli("identify", tmp_path / "p", "--run", "r")
    assert "3 files, 1 face: 0 named (0 people), 1 unknown\n" in result.out
    assert "2 files without a result: 1 failed, 1 without a face\n" in result.out
    assert "going on: 1 of 3 files are done\n" in result.err
    assert "knownface unknown list" in result.err


def test_without_a_name_nothing_is_kept(cli: Cli, photos: Path, tmp_path: Path, isolated_home: Path) -> None:
    result = cli("identify", photos, "--out", tmp_path / "out", "--format", "csv")
    assert result.code == 0
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["results.csv"]
    assert not (isolated_home / "runs").exists()
    table = cli("identify", photos, "--include", "a.*")
    assert "Ada" in table.out
    assert "copy.png" not in table.out


def test_results_inside_the_folder_are_not_photos_of_it(cli: Cli, photos: Path) -> None:
    for _ in range(2):
        cli("identify", photos, "--run", "r", "--out", photos / "out", "--assets")
    assert len(cli("--json", "identify", photos, "--run", "r", "--out", photos / "out").document["faces"]) == 4


@pytest.mark.parametrize(
    "options", [["--format", "csv"], ["--assets"], ["--out", "x", "--format", "doc"], ["--run", "../x"], ["--run", ""]]
)
def test_options_that_do_not_fit(cli: Cli, photos: Path, options: list[str]) -> None:
    assert cli("identify", photos, *options).code in (2, 3)


def test_ctrl_c_says_how_to_go_on(cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Session) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "once", interrupted)
    result = cli("identify", photos, "--run", "r")
    assert result.code == app.cli.identify_run.INTERRUPTED == 130
    assert "the same command goes on from there" in result.err
    assert cli("--json", "identify", photos, "--run", "r").document["error"] == "interrupted"


def test_runs_are_listed_shown_written_again_and_removed(cli: Cli, photos: Path, tmp_path: Path) -> None:
    assert cli("--json", "runs", "list").document == {"runs": []}
    cli("identify", photos, "--run", "r", "--out", tmp_path / "one")
    (listed,) = cli("--json", "runs", "list").document["runs"]
    assert (listed["run"], listed["state"], listed["done"]) == ("r", "finished", 3)
    shown = cli("--json", "runs", "show", "r").document
    assert shown["summary"]["decisions"] == {"match": 2, "unknown": 1}
    assert shown["roots"] == [str(photos)]
    assert cli("--json", "runs", "report", "r", "--out", tmp_path / "two").document["decided"] == 0
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    assert cli("runs", "remove", "r").code == 0
    assert cli("--json", "runs", "show", "r").document["error"] == "run_not_found"
