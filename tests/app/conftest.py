"""A command line, and a gallery of the sample people; files that need others define their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.cli.main import main
from tests.commands import Cli, runner


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return runner(capsys)


@pytest.fixture(scope="session")
def enrolled(tmp_path_factory: pytest.TempPathFactory, models_home: Path, sample_photos: Path) -> Path:
    """A gallery of the four sample people, not to be changed."""
    folder = tmp_path_factory.mktemp("enrolled") / "gallery"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KNOWNFACE_HOME", str(models_home))
        assert main(["--quiet", "--gallery", str(folder), "enrol", "--folder", str(sample_photos / "enrol")]) == 0
    return folder


@pytest.fixture
def gallery(enrolled: Path, tmp_path: Path, models_home: Path) -> Path:
    """A copy of it, to change."""
    return Path(shutil.copytree(enrolled, tmp_path / "gallery"))


@pytest.fixture
def obama(sample_photos: Path) -> list[Path]:
    return sorted(sample_photos.glob("photos/barack-obama-20*"))
