"""A person is put everywhere a data folder keeps anything, by the commands; erased; then every byte is looked at."""

from __future__ import annotations

import base64
import json
import shutil
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from app import batch
from app.batch import batch_of, start_brought
from app.runs import Run
from app.services import Services
from pipeline.config import Settings
from pipeline.weights.files import sha256_of
from tests.commands import Cli, runner

NAME = "Xanthippe Zwetschkenbaum"


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], isolated_home: Path) -> Cli:
    (isolated_home / "settings.toml").write_text("keep_crops = true\nworkers = 1\n")
    return runner(capsys)


@pytest.fixture
def photos(sample_photos: Path, tmp_path: Path) -> Path:
    """The sample photos under names that tell nobody's: a path with a name in it stays in a run's list of files."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, file in enumerate(sorted((sample_photos / "photos").iterdir())):
        shutil.copyfile(file, folder / f"{number}-{'xyz'[len(file.name) % 3]}{file.suffix}")
    return folder


class Brought:
    """A photo as a page brings it along."""

    def __init__(self, file: Path) -> None:
        self.name, self.size, self.getvalue = file.name, file.stat().st_size, file.read_bytes


def needles_of(home: Path, hers: list[Path]) -> dict[str, list[bytes]]:
    """What may stand nowhere afterwards, in every form this test knows; made without `app.traces`."""
    with closing(Services(Settings.load())) as services:
        vectors = [template.vector for template in services.gallery.templates(NAME)]
        ledgers = [Run.open(home, name) for name in ("before", "after", "brought")]
        shas = {sha256_of(file) for file in hers}
        faces = [(run, face.face_id) for run in ledgers for face in run.faces() if face.sha256 in shas]
        pictures = [run.thumbnail(face) for run, face in faces]
        vectors += [row for run, face in faces for row in run.vectors([face])[1]]
    coded = [(v, v.astype("<f2"), v.astype("<f8"), np.round(v * 127).astype("i1")) for v in vectors]
    coded += [(np.round(v / np.abs(v).max() * 127).astype("i1"),) for v in vectors]
    raw = [array.tobytes() for forms in coded for array in forms]
    return {
        "name": [NAME.encode(), NAME.encode("utf-16-le"), NAME.replace(" ", "%20").encode(), b"Zwetschkenbaum"],
        "vector": [data[start : start + 20] for data in raw for start in range(0, len(data) - 19, 20)],
        "thumbnail": [p[-80:-40] for p in pictures] + [base64.b64encode(p)[-120:-60] for p in pictures],
        "photo": [file.read_bytes()[1000:1040] for file in hers],
        "sha256": [sha.encode() for sha in shas] + [bytes.fromhex(sha) for sha in shas],
    }


def found_in(folder: Path, needles: dict[str, list[bytes]]) -> set[tuple[str, str]]:
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    return {
        (file.relative_to(folder).as_posix(), what)
        for file in files
        for data in [file.read_bytes() + bytes(file.name, "utf-8")]
        for what, some in needles.items()
        if any(needle in data for needle in some)
    }


def ended(home: Path, name: str) -> None:
    while (one := batch_of(home, name)) is None or one.busy:
        time.sleep(0.1)
    assert one.state == "finished", one.message


@pytest.mark.slow
def test_nothing_of_a_person_is_left_in_any_file(
    cli: Cli, photos: Path, sample_photos: Path, isolated_home: Path, tmp_path: Path
) -> None:
    home, out = isolated_home, tmp_path / "out"
    before = {sha256_of(file): file for file in photos.iterdir()}
    hers = [before[sha256_of(file)] for file in (sample_photos / "photos").glob("barack-obama*")]
    for person, name in (("Barack Obama", NAME), ("Jacinda Ardern", "Bob"), ("Joe Biden", "Carl")):
        if person == "Barack Obama":  # found first, and named as an unknown person of a run
            assert cli("identify", photos, "--run", "before", "--out", out / "before").code == 0
        [photo] = (sample_photos / "enrol" / person).iterdir()
        mine = tmp_path / f"{len(name)}.jpg"
        shutil.copyfile(photo, mine)
        assert cli("enrol", name, mine, "--consent-purpose", "door", "--consent-evidence", f"{name}'s folder").code == 0
        hers += [mine] if name == NAME else []
    largest = max(cli("--json", "unknown", "list", "--all").document["clusters"], key=lambda one: one["faces"])
    cli("unknown", "name", largest["cluster"], "Dora")
    assert cli("identify", photos, "--run", "after", "--out", out / "after", "--assets").code == 0
    with closing(Services(Settings.load())) as services:
        start_brought(services, "brought", [Brought(photo) for photo in photos.iterdir()], keep=True)
        ended(home, "brought")
        services.gallery.save_index()
    refused = cli("models", "use", "dlib_resnet.v1")
    assert (refused.code, NAME in refused.err) == (3, True), "it says who would be lost"
    assert cli("gallery", "backup", tmp_path / "backup.sqlite3").code == 0
    folder = tmp_path / "evaluated"
    for person in ("barack", "jacinda", "rishi", "emmanuel", "joe"):
        (folder / person).mkdir(parents=True)
        for file in sample_photos.rglob(f"{person}*.jpg"):
            shutil.copyfile(file, folder / person / file.name)
    evaluated = cli("evaluate", "folder", folder, "--out", tmp_path / "figures")
    assert evaluated.code == 0, evaluated.err
    needles = needles_of(home, hers)
    planted = found_in(home, needles)
    assert {"name", "vector", "thumbnail", "photo", "sha256"} == {what for _, what in planted}
    places = {place.split("/")[0] for place, _ in planted}
    assert {"gallery", "runs", "jobs", "cache"} <= places | {"jobs"}, sorted(planted)
    assert {what for _, what in found_in(out, needles)} >= {"name", "thumbnail"}

    done = cli("--json", "subject", "erase", NAME, "--yes", "--certificate", tmp_path / "certificate.json")
    left = found_in(home, needles)
    assert {(place, what) for place, what in left if what != "sha256"} == set()
    assert {place.split("/")[0] for place, what in left} <= {"runs"}, "in the lists of files, as the certificate says"
    assert {what for _, what in found_in(out, needles)} <= {"sha256"}
    assert done.code == 0, done.document["scan"]
    certificate = json.loads((tmp_path / "certificate.json").read_text())
    assert certificate["complete"]
    assert len(certificate["results_written_anew"]) == 8
    assert any("backups" in line for line in certificate["not_reached"])
    assert any("lists of files" in line for line in certificate["not_reached"])
    assert {what for _, what in found_in(tmp_path, {"name": needles["name"]})} == {"name"}, "the backup has it"
    assert NAME not in json.dumps(certificate)
    assert cli("audit", "verify").code == 0
    names = [row["subject"] for row in cli("--json", "gallery", "list").document["subjects"]]
    assert {"Bob", "Carl"} <= set(names)
    with closing(Services(Settings.load())) as services:
        batch.remove(services, "brought")
    assert not (home / "runs" / "brought").exists()
