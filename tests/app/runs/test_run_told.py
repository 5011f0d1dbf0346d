"""What a run tells people, and what it refuses to lose: patterns, and watching without a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.context import Context
from app.cli.run_progress import RunProgress
from app.runs.session import Plan, Session, Standing
from app.runs.walk import Chosen, walk
from app.services import Services
from pipeline.errors import RunPathsError
from tests.app_runs import Told
from tests.fakes import BLUE, RED, write_bars


@pytest.mark.parametrize(
    "chosen", [Chosen(include=("*.jpg",)), Chosen(exclude=("deep",)), Chosen(exclude=("deep/in",))]
)
def test_patterns_do_not_cost_what_was_done(services: Services, tmp_path: Path, chosen: Chosen) -> None:
    write_bars(tmp_path / "p/a.jpg", RED)
    write_bars(tmp_path / "p/deep/in/b.png", BLUE)
    roots = (str(tmp_path / "p"),)

    def once(chosen: Chosen, *, replace: bool = False) -> set[str]:
        with Session(services, Plan("r", roots, chosen, replace_paths=replace), Told()) as session:
            session.once()
        return {Path(file.path).name for file in session.run.files()}

    assert once(Chosen()) == {"a.jpg", "b.png"}
    with pytest.raises(RunPathsError, match=r"holds 1 file that --include and --exclude leave out.*b\.png.*--replace"):
        once(chosen)
    assert once(Chosen(include=("*.jpg", "*.png"))) == {"a.jpg", "b.png"}
    assert once(chosen, replace=True) == {"a.jpg"}


@pytest.mark.parametrize("include", [(), ("*.png",), ("deep/*",), ("deep/**",)])
@pytest.mark.parametrize("exclude", [(), ("in",), ("deep/in",), ("deep/b.*",), ("*/*/c.png",), ("deep",)])
def test_what_the_patterns_reach_is_what_a_walk_finds(
    tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...]
) -> None:
    files = [tmp_path / name for name in ("a.jpg", "deep/b.png", "deep/in/c.png", "deep/in/d.jpg", "other/e.png")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    chosen = Chosen(include, exclude)
    for roots in ([str(tmp_path)], [str(tmp_path / "deep")], [str(tmp_path / "deep/in"), str(files[0])]):
        found = {one.path for one in walk(roots, chosen)}
        assert {str(file) for file in files if chosen.reaches(str(file), roots)} == found


def test_watching_without_a_terminal_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    progress = RunProgress(Context(), clock=lambda: 0.0)
    standing = Standing("deciding", total=3, done=3)

    def told(**values: object) -> str:
        for name, value in values.items():
            setattr(standing, name, value)
        progress.show(standing)
        return capsys.readouterr().err

    assert told() == ""
    assert told(phase="watching") == "watching for new files; Ctrl-C ends it\n"
    assert told() == ""
    told(phase="running", total=5, before=3)
    assert told(phase="watching", done=5, faces=1, named=1) == "2 more files done: 1 face, 1 named\n"
    told(phase="running", before=5)
    assert told(phase="watching") == "the gallery was changed, so everything is decided anew\n"
