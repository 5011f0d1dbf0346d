"""A whole data folder that was encrypted from the beginning: every command, and then no file says who is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli.main import main
from app.runs import runs_of
from app.traces import Needle, needles_of, scan
from pipeline.config import Settings
from pipeline.gallery import Gallery, KeyPlaces
from pipeline.gallery.vault.files import FileKeys

NAMED = "Eileen Zwetschkenbaum"


@pytest.mark.slow
def test_nothing_of_anybody_is_readable_in_the_data_folder(
    isolated_home: Path,
    sample_photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(*words: object) -> Any:
        code = main(["--json", *(str(word) for word in words)])
        said = capsys.readouterr()
        assert code in (0, 1), said.err
        return json.loads(said.out)

    (isolated_home / "settings.toml").write_text("keep_crops = true\nworkers = 2\n")
    run("vault", "init", "--key-file", tmp_path / "key")
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", (tmp_path / "key").read_text())
    run("enrol", "--folder", sample_photos / "enrol")
    run("identify", sample_photos / "photos", "--run", "holiday", "--out", tmp_path / "out")
    run("unknown", "name", "U-0001", NAMED)
    run("gallery", "rename", "Joe Biden", "Joseph Quastenflosser")
    before = needles(isolated_home)
    run("models", "use", "dlib_resnet.v1", "--photos", sample_photos)
    run("vault", "rotate")
    run("identify", sample_photos / "photos", "--run", "holiday")
    found = [*before, *needles(isolated_home)]
    assert {needle.what for needle in found} == {"vector", "crop", "name"}
    assert len(found) > 500
    traces = scan([isolated_home], found, [isolated_home / "models"])
    assert (traces.traces, traces.unread) == ((), ())
    assert traces.files > 8
    assert scan([tmp_path / "out"], found).traces, "what was asked for is the user's, and in the open"


def needles(home: Path) -> list[Needle]:
    """What there is of everybody, enrolled or met in a run."""
    settings = Settings.load()
    found = [
        Needle("name", text.encode()) for text in ("Zwetschkenbaum", "Biden", "/photos/", "rishi-sunak", "/enrol/")
    ]
    with Gallery.open(settings.gallery_location, "none", 1, keys=KeyPlaces.of(settings)) as gallery:
        for info in gallery.subjects():
            found += needles_of(gallery.export(info.name))
    for one in runs_of(home, FileKeys.of(settings)):
        names, vectors = one.vectors()
        found += [Needle("vector", vector.astype("<f4").tobytes()[:24]) for vector in vectors]
        found += [Needle("crop", picture[len(picture) // 2 :][:24]) for picture in one.thumbnails(names)]
        assert np.isfinite(vectors).all()
    return found
