"""A reader's machine: a home with the models, and the files that documents speak of, from the sample photos."""

from __future__ import annotations

import io
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.cli.main import main
from pipeline.config import home
from tests.doc_blocks import Block, Line, without_redirection
from tests.doc_commands import command_of, knownface_of
from tests.videos import two_cross_then_cut

#: Lines of these commands (the first word), where they have the other words too, are parsed only: why, and where else
#: they are run.
NOT_RUN: dict[tuple[str, ...], str] = {
    ("identify", "--watch"): "goes on until Ctrl-C: tests/app/runs",
    ("web",): "serves until it is stopped: tests/browser",
    ("api",): "serves until it is stopped: tests/app/api",
    ("watch-camera",): "wants a camera: tests/app/video",
    ("challenge", "camera"): "wants a camera",
    ("challenge", "check"): "wants a video of somebody who follows: tests/app/video/test_answering.py",
    ("models", "pull"): "fetches: tests/prepare.py before the tests, tests/pipeline/weights from archives made there",
    ("train",): "hours: tests/training",
    ("export",): "minutes: tests/app/exporting",
    ("data", "preview"): "wants the extra train: tests/training/data/test_preview.py",
    ("unknown", "split"): "its words are the photos' own: tests/app/unknowns/test_cli_unknown.py",
    ("models", "fuse"): "wants 30 people: tests/app/test_models_fuse.py",
    ("calibrate", "--fmr", "--folder"): "wants 156 people: tests/app/test_cli_calibrate.py",
    ("calibrate", "--fpir"): "wants 50 people: tests/app/test_cli_calibrate.py",
    ("bench",): "minutes: tests/app/test_cli_tune.py",
}
_CAT = re.compile(r"\$\(cat (.+)\)")
_ANSWERS = "correct horse battery staple\n" * 2  # where a password is asked for
_ADA = "Jacinda Ardern"


def is_of(words: tuple[str, ...], arguments: list[str]) -> bool:
    """Whether a line is one that `NOT_RUN` means."""
    path, rest = command_of(arguments)
    return path[:1] == words[:1] and set(words) <= {*path, *rest}


@dataclass
class World:
    """Where the commands of one page run, one after the other."""

    folder: Path
    patch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, line: Line, codes: tuple[int, ...] = (0,)) -> str:
        """Runs a command line; what went wrong, or ""."""
        arguments = knownface_of(line.words)
        if arguments is None:
            for name, _, value in (word.partition("=") for word in line.words[1:] if line.words[0] == "export"):
                inner = _CAT.fullmatch(value)
                self.patch.setenv(name, Path(self._here(inner[1])).read_text(encoding="utf-8") if inner else value)
            return ""
        if any(is_of(words, arguments) for words in NOT_RUN):
            return ""
        self.patch.setattr("sys.stdin", io.StringIO(_ANSWERS))
        self.capsys.readouterr()
        code = main([self._here(word) for word in arguments])
        out, err = self.capsys.readouterr()
        if target := line.words[len(without_redirection(line.words)) + 1 :]:
            with (self.folder / target[0]).open("a", encoding="utf-8") as file:
                file.write(out)
        return "" if code in codes else f"`{line.text.strip()}` ended with {code}: {err.strip() or out.strip()}"

    def write(self, block: Block) -> None:
        """Puts a file where its reader looks for it: settings in the data folder, the rest in the working folder."""
        place = home() if block.title == "settings.toml" else self.folder
        (place / block.title).write_text(block.text.replace("/secure/place", "secure"), encoding="utf-8")

    def _here(self, word: str) -> str:
        """`~` as a shell sees it; and what lies outside the home lies inside the folder."""
        return word.replace("/secure/place", "secure") if "/" in word[:1] else os.path.expanduser(word)  # noqa: PTH111


def make_world(page: Path, folder: Path, models_home: Path, photos: Path, patch: pytest.MonkeyPatch) -> None:
    """Makes it the working folder and the home; the names are the documents', Ada is somebody of two sample photos."""
    data = folder / ".local" / "knownface"
    (data / "models").mkdir(parents=True)
    for model in (models_home / "models").iterdir():
        if model.is_dir():
            (data / "models" / model.name).symlink_to(model, target_is_directory=True)
    one, two = next((photos / "enrol" / _ADA).iterdir()), photos / "photos" / "jacinda-ardern-2018.jpg"
    for name, photo in {"ada.jpg": one, "ada1.jpg": one, "ada2.jpg": two, "a.jpg": one, "b.jpg": two}.items():
        shutil.copy(photo, folder / name)
    for name in ("Pictures", "secure"):
        (folder / name).mkdir()
    for name in ("photos", "DIR", "PHOTOS", "PEOPLE"):
        shutil.copytree(photos / "enrol", folder / name)
        shutil.copy(two, folder / name / _ADA)
        shutil.copy(photos / "photos" / "barack-obama-2009.jpg", folder / name / "Barack Obama")
    for photo in [one, two, *(photos / "photos").glob("[er]*-*.jpg")]:
        shutil.copy(photo, folder / "Pictures")
    text = page.read_text(encoding="utf-8")
    for name in ("clip.mp4", "film.mp4"):
        if name in text:
            two_cross_then_cut(photos / "photos", folder / name)
    patch.chdir(folder)
    patch.setenv("HOME", str(folder))
    patch.setenv("KNOWNFACE_HOME", str(data))
    for variable in ("KNOWNFACE_GALLERY", "KNOWNFACE_CONFIG"):
        patch.delenv(variable, raising=False)
