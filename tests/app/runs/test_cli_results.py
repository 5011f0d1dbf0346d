"""`--sort-into`, `--write-xmp` and `runs report` as a contract: what is written, exit codes, JSON."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from app.cli.context import Context
from app.services import Services
from tests.app_runs import fake_services
from tests.commands import Cli, runner
from tests.fakes import BLUE, GREEN, RED, write_bars


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_bars(tmp_path / "p/a.png", RED)
    write_bars(tmp_path / "p/sub/b.png", BLUE, RED)
    write_bars(tmp_path / "p/c.png", GREEN)
    return tmp_path / "p"


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolated_home: Path
) -> Cli:
    """Commands whose services know coloured bars; Ada is red, Bo is blue."""

    def services(*_: object, **__: object) -> Services:
        return fake_services(isolated_home, tmp_path / "gallery")

    with closing(services()) as made:
        made.enrol("Ada", [write_bars(tmp_path / "ada.png", RED, note=9)])
        made.enrol("Bo", [write_bars(tmp_path / "bo.png", BLUE, note=9)])
    monkeypatch.setattr(Context, "services", services)
    return runner(capsys)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_sorted_and_sidecars_in_one_go_and_again(cli: Cli, photos: Path) -> None:
    ways = ("--sort-into", photos / "people", "--sort-how", "copy", "--write-xmp")
    result = cli("--json", "identify", photos, "--run", "r", *ways)
    assert result.code == 0, result.err
    run = result.document["run"]
    assert (run["sorted"]["placed"], run["sidecars"]["written"], run["sidecars"]["failed"]) == (3, 2, [])
    wanted = {"Ada/a.png", "Ada/b.png", "Bo/b.png", ".knownface-results"}
    assert names(photos / "people") == wanted
    assert {path.name for path in photos.rglob("*.xmp")} == {"a.png.xmp", "b.png.xmp"}

    again = cli("--json", "identify", photos, "--run", "r", *ways).document["run"]
    assert again["files"] == 3, "neither copies nor sidecars are photos of the run"
    assert (again["sorted"]["already"], again["sidecars"]["unchanged"]) == (3, 2)
    plain = cli("--json", "identify", photos)
    assert len({face["photo"] for face in plain.document["faces"]}) == 3


def test_a_report_can_be_had_later_by_the_names_of_then(cli: Cli, photos: Path, tmp_path: Path) -> None:
    cli("identify", photos, "--run", "r")
    cli("enrol", "Cy", write_bars(tmp_path / "cy.png", GREEN, note=9))
    result = cli("runs", "report", "r", "--out", tmp_path / "out", "--format", "csv", "--sort-into", tmp_path / "s")
    assert result.code == 0, result.err
    assert "4 placed in" in result.out
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"Ada", "Bo", "Cy", ".knownface-results"}
    assert "Cy" in (tmp_path / "out/results.csv").read_text()


def test_what_cannot_be_written_is_said_and_exits_3(cli: Cli, photos: Path, tmp_path: Path) -> None:
    (photos / "a.png.xmp").write_text("mine")
    result = cli("identify", photos, "--run", "r", "--write-xmp")
    assert result.code == 3
    assert "a.png.xmp: is not well-formed" in result.err
    assert "1 sidecars written" in result.out
    assert (photos / "a.png.xmp").read_text() == "mine"
    refused = cli("identify", photos, "--sort-into", photos)
    assert refused.code == 3
    assert "was not made by --sort-into" in refused.err


@pytest.mark.parametrize(
    "words",
    [("--sort-how", "copy"), ("--sort-unknown",), ("--xmp-naming", "stem"), ("--sort-into", "x", "--sort-how", "y")],
)
def test_options_that_say_nothing_are_refused(cli: Cli, photos: Path, words: tuple[str, ...]) -> None:
    assert cli("identify", photos, *words).code == 2
    assert cli("runs", "report", "r", *words).code == 2
    assert cli("runs", "report", "r").code == 2
