"""What runs have written outside of the data folder, after somebody was erased: clean, and nobody else's touched."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from app.cli.context import Context
from app.cli.run_writing import Beside, SortHow, write_beside
from app.erasing import Erasure
from app.runs import Run
from app.runs.output import FORMATS
from app.runs.output.again import write_and_note
from app.runs.places import is_owed, places_of
from app.runs.session import Plan, Session
from app.services import Services
from pipeline.errors import SubjectNotFoundError
from pipeline.gallery import Anchor, KeyPlaces, Scribe
from pipeline.gallery.vault.master import MasterKey
from tests.app_runs import Told, fake_services
from tests.fakes import BLUE, GREEN, RED, write_bars

NAME, OTHER = "Xanthippe Zwetschkenbaum", "Bob & Sons"
KEY = MasterKey(bytes(range(32)))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_bars(folder / "1.png", RED)
    write_bars(folder / "2.png", RED, GREEN)
    write_bars(folder / "3.png", GREEN)
    return folder


def opened(home: Path) -> Services:
    services = fake_services(home, home / "gallery")
    services.gallery._scribe = Scribe("grace", Anchor(home))
    return services


@pytest.fixture
def services(tmp_path: Path, photos: Path) -> Iterator[Services]:
    made = opened(tmp_path / "home")
    made.enrol(NAME, [write_bars(tmp_path / "red.png", RED, note=1)])
    made.enrol(OTHER, [write_bars(tmp_path / "green.png", GREEN, note=1)])
    yield made
    made.close()


@pytest.fixture
def run(services: Services, photos: Path) -> Run:
    return looked(services, photos)


def looked(services: Services, photos: Path, name: str = "r") -> Run:
    with Session(services, Plan(name, (str(photos),)), Told()) as session:
        session.once()
    return session.run


def written(run: Run, services: Services, out: Path, *, assets: bool = False) -> Path:
    write_and_note(run, out, FORMATS, assets=assets, portraits=services.gallery.picture)
    return out


def beside(run: Run, services: Services, **options: object) -> None:
    write_beside(Context(quiet=True), run, Beside(**options), services.settings.max_bytes)  # type: ignore[arg-type]


def shows(*folders: Path) -> set[str]:
    """Files, links and folders that say the name, or hold it: Parquet is read."""
    found = set()
    for path in (path for folder in folders for path in folder.rglob("*")):
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        if path.suffix == ".parquet":
            data = json.dumps(pq.read_table(path).to_pylist(), ensure_ascii=False).encode()
        if "Zwetschkenbaum" in str(path) or b"Zwetschkenbaum" in data:
            found.add(path.name)
    return found


def test_every_place_that_a_run_wrote_to(services: Services, run: Run, photos: Path, tmp_path: Path) -> None:
    outs = [written(run, services, tmp_path / f"out{n}", assets=n == 1) for n in range(2)]
    sorted_into = [tmp_path / how for how in SortHow]
    for folder in sorted_into:
        beside(run, services, sort_into=folder, sort_how=SortHow(folder.name))
    beside(run, services, write_xmp=True)
    pictures = set((outs[1] / "report-files").rglob("*.jpg"))
    assert len(shows(*outs)) == 4
    assert shows(photos, *sorted_into) > {NAME, "1.png.xmp", "2.png.xmp", ".knownface-results"}
    said: list[str] = []
    done = services.erase(NAME, told=said.append)
    assert (done.complete, done.placed, done.sidecars, len(done.results)) == (True, 6, 2, 8)
    assert (done.left, done.absent) == ((), ())
    assert shows(*outs, photos, *sorted_into) == set()
    assert sorted(photos.glob("*.xmp")) == [photos / "2.png.xmp", photos / "3.png.xmp"], "an empty one goes"
    assert b"Bob &amp; Sons" in (photos / "2.png.xmp").read_bytes()
    for folder in sorted_into:
        assert sorted(str(file.relative_to(folder)) for file in folder.rglob("*.png")) == [
            f"{OTHER}/2.png",
            f"{OTHER}/3.png",
        ]
    assert {file.name for file in photos.glob("*.png")} == {"1.png", "2.png", "3.png"}, "photos stay"
    left = set((outs[1] / "report-files").rglob("*.jpg"))
    assert left < pictures
    assert len(pictures - left) == 2
    assert OTHER in (outs[1] / "results.csv").read_text()
    assert not is_owed(run)
    assert any("writing the results of the run r anew" in text for text in said)
    assert services.verify_audit().findings == ()


def test_somebody_who_was_named_otherwise_then(services: Services, run: Run, photos: Path, tmp_path: Path) -> None:
    beside(run, services, write_xmp=True, sort_into=tmp_path / "sorted")
    out = written(run, services, tmp_path / "out")
    services.rename(NAME, "Xanthippe Quark")
    done = services.erase("Xanthippe Quark")
    assert done.complete
    assert shows(photos, tmp_path / "sorted", out) == set(), "the name that she had is hers too"


def test_what_is_no_longer_ours_is_left_and_listed(services: Services, run: Run, photos: Path, tmp_path: Path) -> None:
    out, folder = written(run, services, tmp_path / "out"), tmp_path / "sorted"
    beside(run, services, write_xmp=True, sort_into=folder, sort_how=SortHow.COPY)
    (out / "results.csv").write_text(f"my own notes on {NAME}")
    (folder / NAME / "1.png").write_bytes(b"edited")
    (folder / NAME / "mine.txt").write_text("mine")
    (photos / "1.png.xmp").write_bytes(b"<!DOCTYPE x>urn:knownface:xmp")
    done = services.erase(NAME)
    assert not done.complete
    assert {Path(text.split(": ")[0]).name for text in done.left} == {"results.csv", "1.png", NAME, "1.png.xmp"}
    assert all(text.endswith(("yourself", "remove it", "look at it")) for text in done.left), done.left
    assert (out / "results.csv").read_text() == f"my own notes on {NAME}"
    assert (folder / NAME / "1.png").read_bytes() == b"edited"
    assert (folder / NAME / "mine.txt").read_text() == "mine"
    assert shows(out) == {"results.csv"}
    assert done.as_dict()["left_as_it_was"] == list(done.left)


def test_the_last_copy_of_a_photo_is_left(services: Services, run: Run, photos: Path, tmp_path: Path) -> None:
    beside(run, services, sort_into=tmp_path / "sorted", sort_how=SortHow.COPY)
    (photos / "1.png").unlink()
    done = services.erase(NAME)
    assert "is the last copy" in done.left[0]
    assert (tmp_path / "sorted" / NAME / "1.png").is_file()
    assert not (tmp_path / "sorted" / NAME / "2.png").exists()


@pytest.mark.parametrize("which", ["out", "sorted", "photos", "person", "pictures"])
def test_a_link_in_place_of_a_folder_is_not_followed(
    services: Services, run: Run, photos: Path, tmp_path: Path, which: str
) -> None:
    out, folder = written(run, services, tmp_path / "out", assets=True), tmp_path / "sorted"
    beside(run, services, write_xmp=True, sort_into=folder, sort_how=SortHow.COPY)
    places = {"out": out, "sorted": folder, "photos": photos, "person": folder / NAME, "pictures": out / "report-files"}
    elsewhere = tmp_path / "elsewhere"
    places[which].rename(elsewhere)
    places[which].symlink_to(elsewhere)
    before = {file: file.read_bytes() for file in elsewhere.rglob("*") if file.is_file()}
    assert before
    done = services.erase(NAME)
    assert not done.complete
    assert any(str(places[which]) in text for text in done.left), done.left
    assert {file: file.read_bytes() for file in elsewhere.rglob("*") if file.is_file()} == before


def test_a_folder_that_is_not_there_is_listed(services: Services, run: Run, photos: Path, tmp_path: Path) -> None:
    out, folder = written(run, services, tmp_path / "out"), tmp_path / "sorted"
    beside(run, services, write_xmp=True, sort_into=folder)
    for place in (out, folder, photos):
        shutil.move(place, tmp_path / f"moved-{place.name}")
    done = services.erase(NAME)
    assert {text.split(": ")[0] for text in done.absent} == {str(out), str(folder), str(photos)}
    assert (done.left, done.complete) == ((), True)
    assert not out.exists()
    assert not folder.exists()


def test_two_runs_that_share_a_folder(services: Services, run: Run, photos: Path, tmp_path: Path) -> None:
    out = written(run, services, tmp_path / "out")
    other = looked(services, photos / "3.png", "other")
    written(other, services, out)
    done = services.erase(NAME)
    assert (done.left, done.complete) == ((), True), "what stands there is the other run's"
    assert shows(out) == set()
    assert OTHER in (out / "results.csv").read_text()


def test_results_of_a_time_when_she_was_recognised(services: Services, photos: Path, tmp_path: Path) -> None:
    """The ledger does not name her any more, and the folder does."""
    write_bars(photos / "4.png", BLUE)
    run = looked(services, photos)
    services.enrol(NAME, [write_bars(tmp_path / "blue.png", BLUE, note=1)])
    run.decide(services)
    out = written(run, services, tmp_path / "out")
    for number in (1, 2, 4):
        (photos / f"{number}.png").unlink()
    looked(services, photos)
    assert shows(out)
    assert services.erase(NAME).complete
    assert shows(out) == set()


def test_a_ledger_of_before_the_list(services: Services, run: Run, tmp_path: Path) -> None:
    out = written(run, services, tmp_path / "out")
    with run.connected() as connection:
        connection.execute("drop table places")
    assert places_of(run, "results") == []
    assert services.erase(NAME).complete
    assert shows(out) == set()


def test_in_an_encrypted_gallery_places_are_not_readable(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", KEY.text)
    services = opened(tmp_path / "home")
    services.gallery._truth.use_keys(KeyPlaces(KEY.text))
    services.gallery.vault().init(KEY)
    services.enrol(NAME, [write_bars(tmp_path / "red.png", RED, note=1)])
    run = looked(services, photos)
    out = written(run, services, tmp_path / "a-secret-place")
    beside(run, services, write_xmp=True, sort_into=tmp_path / "sorted")
    assert [place.path for place in places_of(run, "sidecar")] == [str(photos / f"{n}.png.xmp") for n in (1, 2)]
    data = b"".join(file.read_bytes() for file in (tmp_path / "home").rglob("*") if file.is_file())
    assert b"a-secret-place" not in data
    assert b"1.png.xmp" not in data
    assert services.erase(NAME).complete
    assert shows(out, photos, tmp_path / "sorted") == set()
    services.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from app.runs.output import again, away
from pipeline.gallery import Gallery
from tests.app.runs.test_erased_outputs import NAME, opened

def die(*arguments, **more):
    os.kill(os.getpid(), signal.SIGKILL)

moment = sys.argv[2]
if moment == "folder":
    before, left = away._remove, [2]
    def counted(*arguments):
        left[0] -= 1
        return before(*arguments) if left[0] else die()
    away._remove = counted
elif moment == "sidecar":
    away.write_bytes = die
elif moment == "erased":
    Gallery.load = die
elif moment == "results":
    before = Path.replace
    Path.replace = lambda self, to: die() if self.name == "results.parquet" else before(self, to)
elif moment == "certificate":
    Gallery.stands_as = die
opened(Path(sys.argv[1])).erase(NAME)
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["folder", "sidecar", "erased", "results", "certificate"])
def test_an_erasure_that_was_killed_is_finished_by_the_next(
    services: Services, run: Run, photos: Path, tmp_path: Path, moment: str
) -> None:
    out, folder = written(run, services, tmp_path / "out", assets=True), tmp_path / "sorted"
    beside(run, services, write_xmp=True, sort_into=folder, sort_how=SortHow.COPY)
    services.close()
    home = services.settings.home
    program = [sys.executable, "-c", KILLED, str(home), moment]
    found = subprocess.run(program, check=False, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert found.returncode == -signal.SIGKILL, found.stderr
    again = opened(home)
    done = again.erase(NAME)
    assert done.complete, done.as_dict()
    assert shows(out, photos, folder, home) == set()
    assert not list(out.glob(".knownface-*"))
    assert again.uncertified() == []
    assert again.verify_audit().findings == ()
    with pytest.raises(SubjectNotFoundError):
        again.erase(NAME)
    again.close()


@pytest.mark.slow
def test_the_retention_job_finishes_it_too(services: Services, run: Run, tmp_path: Path) -> None:
    out = written(run, services, tmp_path / "out")
    services.close()
    program = [sys.executable, "-c", KILLED, str(services.settings.home), "erased"]
    subprocess.run(program, check=False, cwd=Path(__file__).parents[3])
    again = opened(services.settings.home)
    assert shows(out)
    again.retain(dry_run=False)
    assert shows(out) == set()
    assert again.uncertified() == []
    again.close()


def test_a_certificate_reads_the_same_over_the_network(services: Services, run: Run, tmp_path: Path) -> None:
    from app.client.reading import erased

    (written(run, services, tmp_path / "out") / "results.csv").write_text("mine")
    done = services.erase(NAME)
    assert done.left
    read: Erasure = erased(json.loads(json.dumps(done.as_dict())))
    assert read == done
