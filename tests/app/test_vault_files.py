"""What lies beside an encrypted gallery: runs, unknown faces, the cache. The same as in the open, and unreadable."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vault_files_world import ANN, EVE, KEY, TEXTS, lived, looked_at, made, os_name, readable, seen, standing

from app.evaluation.cache import EmbeddingCache
from app.kept import cache_file
from app.runs import Run, runs_of, schema
from app.runs.forget import forget, held_of, remove_run, rename
from app.runs.ledger import Ledger
from app.services import Services
from app.subject_export import everything
from app.traces import needles_of
from app.vault_files import open_files, seal_files
from pipeline.errors import GalleryBusyError, RunDamagedError, VaultLockedError
from pipeline.gallery.vault.files import FileKeys
from pipeline.gallery.vault.master import MasterKey
from tests.fakes import BLUE, DIMENSION, GREEN, RED, YELLOW, write_bars

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "holiday-in-Ulm"
    for number in range(3):
        write_bars(folder / ANN / f"{number}.png", RED, note=number)
        write_bars(folder / EVE / f"{number}.png", GREEN, BLUE, note=number)
    write_bars(folder / "a" / "both.png", YELLOW, RED)
    (folder / "a" / "copy.png").write_bytes((folder / ANN / "0.png").read_bytes())
    (folder / "broken-Xaver.jpg").write_bytes(b"\xff\xd8\xffnothing")
    (folder / os_name(b"caf\xe9.png")).write_bytes((folder / "a" / "both.png").read_bytes())
    return folder


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    one = made(tmp_path / "home", monkeypatch, encrypted=True)
    yield one
    one.close()


def needles(services: Services) -> list[Any]:
    """Names, vectors and crops of all; and the pictures of the run, whose middles look like nothing else."""
    found = [
        needle for info in services.gallery.subjects() for needle in needles_of(services.gallery.export(info.name))
    ]
    run = Run.open(services.settings.home, "r", services.file_keys)
    for picture in run.thumbnails(run.vectors()[0]):
        found += [type(found[0])("crop", picture[-60:-20])]
    return found


def test_the_same_as_in_the_open(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = made(tmp_path / "plain", monkeypatch, encrypted=False)
    lived(plain, photos)
    in_the_open = seen(plain)
    plain.close()
    hidden = made(tmp_path / "home", monkeypatch, encrypted=True)
    lived(hidden, photos)
    in_hiding = seen(hidden)
    assert in_hiding.keys() == in_the_open.keys()
    for key in in_the_open:
        assert in_hiding[key] == in_the_open[key], key
    assert len(in_the_open["r"][0]) > 6
    assert EVE in in_the_open["clusters"][1].values() or not in_the_open["clusters"][1]
    hidden.close()


def test_nothing_is_readable_whenever_the_gallery_was_encrypted(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = made(tmp_path / "home", monkeypatch, encrypted=False)
    lived(plain, photos)
    held, before = needles(plain), seen(plain)
    assert readable(plain, held) == {"vector", "crop", "name", *TEXTS}
    home, vault = plain.settings.home, plain.gallery.vault()
    vault.init(KEY)
    assert open_files(home, standing(vault)) == ["the run r", "the unknown faces", "the cache of evaluations"]
    seal_files(home, standing(vault), plain.file_keys)
    assert open_files(home, standing(vault)) == []
    assert readable(plain, held) == set()
    after = seen(plain)
    assert after.pop("cache") == {}, "what stood in the open is gone"
    before.pop("cache")
    assert after == before
    looked_at(plain, photos, "another")
    lived_on = needles(plain)
    plain.gallery.save_index()
    assert readable(plain, held + lived_on) == set()
    vault.rotate(KEY, MasterKey(b"n" * 32))
    assert readable(plain, held + lived_on) == set()
    plain.close()


def test_a_run_goes_on_is_renamed_and_erased(services: Services, photos: Path) -> None:
    lived(services, photos)
    home, keys = services.settings.home, services.file_keys
    (photos / ANN / "2.png").unlink()
    write_bars(photos / "later.png", RED, GREEN, note=9)
    run = looked_at(services, photos)
    assert {Path(row.path).name for row in run.files()} >= {"later.png", "broken-Xaver.jpg", os_name(b"caf\xe9.png")}
    assert not any(row.path.endswith("2.png") and ANN in row.path for row in run.files())
    with Ledger(home, "r", keys) as ledger:
        assert ledger.outside([str(photos / ANN)])[0] == 8
        assert ledger.left_out(lambda path: "later" not in path) == (1, str(photos / "later.png"))
        assert ledger.signature(str(photos / "later.png")) is not None
        ledger.seen([], 99)
        assert ledger.unseen(99, {str(photos): ("photo_not_found", f"{photos}: gone")}) == 0
    assert {row.message for row in run.files()} == {f"{photos}: gone"}
    run = looked_at(services, photos)
    people = everything(services.gallery, home, ANN, keys)["runs"]
    assert {face["decision"] for face in people} == {"match"}
    rename(home, ANN, "Anna", keys)
    assert {row.subject for row in run.faces()} >= {"Anna", EVE}
    assert any("Anna" in row.reason for row in run.faces())
    assert not any(ANN in row.reason for row in run.faces())
    count = held_of(home, subject="Anna", keys=keys)
    assert forget(home, subject="Anna", keys=keys).faces == count == len(people)
    assert "Anna" not in {row.subject for row in run.faces()}


def test_without_the_key(services: Services, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lived(services, photos)
    home = services.settings.home
    monkeypatch.delenv("KNOWNFACE_VAULT_KEY")
    locked = FileKeys.of(services.settings)
    run = Run.open(home, "r", locked)
    for act in (
        run.summary,
        run.meta,
        run.vectors,
        lambda: list(run.faces()),
        lambda: forget(home, subject=EVE, keys=locked),
    ):
        with pytest.raises(VaultLockedError, match=f"its key {KEY.id} is missing"):
            act()
    with pytest.raises(VaultLockedError, match="its key was not asked for"):
        Run.open(home, "r").summary()
    with pytest.raises(VaultLockedError):
        Ledger(home, "r", locked)
    with pytest.raises(VaultLockedError):
        EmbeddingCache(cache_file(home), "recipe", DIMENSION, locked)
    assert (run.progress()["state"], run.progress()["failed"]) == ("finished", 1), "how far it is takes no key"
    remove_run(run)
    assert runs_of(home) == []


def test_what_was_altered_or_put_elsewhere_is_not_believed(services: Services, photos: Path) -> None:
    lived(services, photos)
    run = Run.open(services.settings.home, "r", services.file_keys)
    with closing(sqlite3.connect(run.file)) as database, database:
        low, high = database.execute("select min(face), max(face) from templates").fetchone()
        database.execute(
            "update templates set vector = (select vector from templates where face = ?) where face = ?", (low, high)
        )
    with pytest.raises(RunDamagedError, match="a value in it was altered, or belongs elsewhere"):
        run.vectors()
    with closing(sqlite3.connect(run.file)) as database, database:
        database.execute("update templates set vector = ?", (np.ones(DIMENSION, "<f4").tobytes(),))
    with pytest.raises(RunDamagedError, match="is not encrypted"):
        run.vectors()
    with closing(sqlite3.connect(run.file)) as database, database:
        database.execute("delete from meta where key = 'vault'")
    with pytest.raises(RunDamagedError, match="what it says of the run was altered"):
        run.meta()


def test_a_run_under_way_and_another_gallery(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = made(tmp_path / "home", monkeypatch, encrypted=False)
    home = services.settings.home
    looked_at(services, photos)
    monkeypatch.setattr("app.vault_files._LOCK_S", 0.1)
    vault = services.gallery.vault()
    with Ledger(home, "r") as ledger:
        vault.init(KEY)
        with pytest.raises(GalleryBusyError, match=r"not yet the run r, where another process is at work"):
            seal_files(home, standing(vault), services.file_keys)
        ledger.set_meta(state="running")
    run = Run.open(home, "r", services.file_keys)
    with schema.snapshot(run.file) as reader:  # an old reader keeps what stood in the open
        reader.execute("select count(*) from files").fetchone()
        with pytest.raises(GalleryBusyError):
            seal_files(home, standing(vault), services.file_keys)
    assert open_files(home, standing(vault))[0] == "the run r"
    seal_files(home, standing(vault), services.file_keys)
    assert open_files(home, standing(vault)) == []
    assert run.summary()["files"] == 10
    other = made(tmp_path / "other", monkeypatch, encrypted=True)
    seal_files(home, standing(other.gallery.vault()), other.file_keys)
    with pytest.raises(VaultLockedError, match=r"is encrypted with the vault .*--gallery"):
        Run.open(home, "r", other.file_keys).summary()
    other.close()
    services.close()


def test_a_run_that_was_begun_in_the_open_is_encrypted_when_it_goes_on(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = made(tmp_path / "home", monkeypatch, encrypted=False)
    looked_at(services, photos)
    services.gallery.vault().init(KEY)
    run = looked_at(services, photos)
    assert run.summary()["files"] == 10
    assert b"holiday-in-Ulm" not in run.file.read_bytes()
    services.close()


@pytest.mark.slow
def test_a_data_folder_beside_a_gallery_on_a_server(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    here = made(tmp_path / "home", monkeypatch, encrypted=True, location=database)
    lived(here, photos)
    held, before = needles(here), seen(here)
    assert readable(here, held) == set()
    there = made(tmp_path / "another machine", monkeypatch, encrypted=False, location=database)
    run = looked_at(there, photos)
    here.gallery.vault().rotate(KEY)
    assert {row.subject for row in run.faces()} >= {ANN, EVE}
    assert seen(here) == before, "neither data folder had to know"
    assert readable(there, held) == set()
    there.close()
    here.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from app import sealed
from app.vault_files import Vaulted, seal_files
from pipeline.config import Settings
from pipeline.gallery.vault.files import FileKeys

home, vault_id, moment = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
left = [20]

def counted(*values, before=sealed._sealed):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return before(*values)

if moment == "sealing":
    sealed._sealed = counted
else:
    sealed.Connection.clean = lambda _: os.kill(os.getpid(), signal.SIGKILL)
seal_files(home, Vaulted(*vault_id.split()), FileKeys.of(Settings(home=home)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["sealing", "cleaning"])
def test_a_process_that_is_killed_leaves_a_file_as_it_was_or_sealed(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    services = made(tmp_path / "home", monkeypatch, encrypted=False)
    home = services.settings.home
    lived(services, photos)
    cache_file(home).unlink()
    before, held = seen(services), needles(services)
    summary = Run.open(home, "r").summary()
    vault = services.gallery.vault()
    vault.init(KEY)
    program = [sys.executable, "-c", KILLED, str(home), " ".join(astuple(standing(vault))), moment]
    found = subprocess.run(program, check=False, capture_output=True, text=True, cwd=REPOSITORY)
    assert found.returncode == -9, found.stderr
    with closing(sqlite3.connect(Run.open(home, "r").file)) as database:
        (marked,) = database.execute("select count(*) from meta where key = 'vault'").fetchone()
    assert marked == (moment == "cleaning")
    assert open_files(home, standing(vault))[0] == "the run r"
    assert Run.open(home, "r", services.file_keys).summary() == summary
    seal_files(home, standing(vault), services.file_keys)
    assert open_files(home, standing(vault)) == []
    assert seen(services) == before
    assert readable(services, held) == set()
    services.close()
