"""A rotation reaches ledgers, unknown faces and the cache: afterwards the former keys can be destroyed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from test_vault_files import KEY, REPOSITORY, lived, looked_at, made, needles, photos, readable, seen, standing

from app import sealed
from app.kept import cache_file
from app.runs import Run
from app.runs.ledger import Ledger
from app.runs.places import note, places_of
from app.services import Services
from app.vault_files import former_files, open_files
from app.vaults import KeyPlace, drop, rotate
from pipeline.errors import GalleryBusyError, VaultError, VaultLockedError
from pipeline.gallery import Gallery, KeyPlaces
from pipeline.gallery.vault.files import FileKeys, FilesKey
from pipeline.gallery.vault.sealer import SealError
from tests.fakes import DIMENSION, MODEL_ID, RED, points, write_bars

__all__ = ["photos"]  # a fixture
ALL = ["the run r", "the unknown faces", "the cache of evaluations"]


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    one = made(tmp_path / "home", monkeypatch, encrypted=True)
    yield one
    one.close()


def marks(home: Path) -> dict[Path, sealed.Mark]:
    found = {}
    for file in (*home.glob("runs/*/*.sqlite3"), *home.glob("unknowns/*.sqlite3"), cache_file(home)):
        with closing(sqlite3.connect(file)) as database:
            (text,) = database.execute("select value from meta where key = 'vault'").fetchone()
        found[file] = sealed.Mark.read(text)
    return found


def opens(key: FilesKey, ledger: Path, mark: sealed.Mark) -> bool:
    """Whether the templates of a ledger open with a key of files, under any of the ids it had."""
    with closing(sqlite3.connect(ledger)) as database:
        face, vector = database.execute("select face, vector from templates").fetchone()
    try:
        return bool(key.sealer(mark.file_id, key.current).open(vector, "templates.vector", str(face)))
    except SealError:
        return False


def now_of(services: Services) -> tuple[list[str], list[str]]:
    found = standing(services.gallery.vault())
    return open_files(services.settings.home, found), former_files(services.settings.home, found)


def test_everything_opens_after_the_old_keys_are_destroyed(
    services: Services, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived(services, photos)
    home, ledger = services.settings.home, Run.open(services.settings.home, "r").file
    note(Run.open(home, "r", services.file_keys), "sidecar", {f"{photos}/1.xmp": {"a": "b"}})
    before, held, former = seen(services), needles(services), services.file_keys.current()
    assert former is not None
    assert opens(former, ledger, marks(home)[ledger])
    told: list[tuple[int, int]] = []
    rotate(services.gallery, services.settings, KeyPlace(tmp_path / "new.key"), lambda *at: told.append(at))
    assert (3, 3) in told
    assert now_of(services) == ([], [])
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", (tmp_path / "new.key").read_text().strip())
    assert drop(services.gallery, services.settings) == 1
    services.close()

    again = Services(services.settings)
    again._recognizer = services._recognizer
    again._gallery = Gallery.open(
        again.settings.gallery_location, MODEL_ID, DIMENSION, keys=KeyPlaces.of(again.settings), create=False
    )
    again.__dict__["points"] = points()
    assert seen(again) == before
    assert [one.path for one in places_of(Run.open(home, "r", again.file_keys), "sidecar")] == [f"{photos}/1.xmp"]
    assert readable(again, held) == set()
    assert not opens(former, ledger, marks(home)[ledger]), "who has kept the former key of files reads nothing"
    assert again.gallery.check() == []
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", KEY.text)
    with pytest.raises(VaultLockedError):
        Run.open(home, "r", FileKeys.of(again.settings)).summary()
    again.close()


def test_a_run_that_is_written_meanwhile_follows(
    services: Services, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at(services, photos)
    monkeypatch.setattr("app.vault_files._LOCK_S", 0.1)
    home, keys = services.settings.home, services.file_keys
    with Ledger(home, "r", FileKeys.of(services.settings)) as ledger:
        with pytest.raises(GalleryBusyError, match="not yet the run r"):
            rotate(services.gallery, services.settings, None)
        assert now_of(services) == ([], ALL[:1])
        ledger.set_meta(state="running")  # it goes on under the key that it began with
        with pytest.raises(VaultError, match=r"still under a former key: the run r: run .*rotate"):
            drop(services.gallery, services.settings)
        assert Run.open(home, "r", keys).summary()["files"] == 10
    before = services.gallery.vault().now()
    rotate(services.gallery, services.settings, None)
    assert services.gallery.vault().now() == before, "the same rotation goes on: no other key is made"
    assert now_of(services) == ([], [])
    rotate(services.gallery, services.settings, None)
    assert services.gallery.vault().now() != before
    assert drop(services.gallery, services.settings) == 2
    assert drop(services.gallery, services.settings) == 0
    assert Run.open(home, "r", keys).summary()["files"] == 10


def test_a_run_that_is_begun_again_is_sealed_anew(services: Services, photos: Path) -> None:
    looked_at(services, photos)
    services.gallery.vault().rotate(KEY)
    assert now_of(services) == ([], ALL[:2])
    write_bars(photos / "later.png", RED, note=7)
    assert looked_at(services, photos).summary()["files"] == 11
    assert "the run r" not in now_of(services)[1]


def test_a_file_of_a_version_that_had_one_key(services: Services, photos: Path) -> None:
    """Its mark names no key, and the gallery's key of files has no id."""
    vault = services.gallery.vault()
    with services.gallery._truth.writing() as connection:
        from pipeline.gallery.vault import state

        now = state.read(connection)
        assert now is not None
        keys = {"files" if name.startswith("files") else name: key for name, key in now._opened(KEY).items()}
        state.write(connection, now._with(KEY, keys))
    lived(services, photos)
    before = seen(services)
    for file in marks(services.settings.home):
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("""update meta set value = replace(value, ', "key": ""', '') where key = 'vault'""")
            assert '"key"' not in database.execute("select value from meta where key = 'vault'").fetchone()[0]
    assert now_of(services) == ([], [])
    assert seen(services) == before
    vault.rotate(KEY)
    assert now_of(services) == ([], ALL)
    assert seen(services) == before
    rotate(services.gallery, services.settings, None)
    assert drop(services.gallery, services.settings) == 1
    assert seen(services) == before


def test_a_backup_of_before_the_rotation_still_opens_them(services: Services, photos: Path, tmp_path: Path) -> None:
    lived(services, photos)
    services.gallery.backup(tmp_path / "backup.db")
    rotate(services.gallery, services.settings, None)
    drop(services.gallery, services.settings)
    before = seen(services)
    services.gallery.restore(tmp_path / "backup.db", services.settings.gallery_location)
    services.gallery.load()
    assert now_of(services) == ([], [])
    assert seen(services) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from app import sealed, vaults
from pipeline.config import Settings
from pipeline.gallery import Gallery, KeyPlaces
from pipeline.gallery.vault.work import Vaulting
from tests.fakes import DIMENSION, MODEL_ID

def die(*values):
    os.kill(os.getpid(), signal.SIGKILL)

moment, left = sys.argv[2], [20]
if moment == "values":
    def counted(*values, before=sealed._sealed):
        left[0] -= 1
        return before(*values) if left[0] else die()
    sealed._sealed = counted
elif moment == "cleaning":
    sealed.Connection.clean = die
elif moment == "rows":
    Vaulting._clean = die
else:
    vaults._seal_files = die
settings = Settings(home=Path(sys.argv[1]))
keys = KeyPlaces.of(settings)
with Gallery.open(settings.gallery_location, MODEL_ID, DIMENSION, keys=keys) as gallery:
    vaults.rotate(gallery, settings, None)
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["rows", "files", "values", "cleaning"])
def test_a_rotation_that_is_killed_goes_on(services: Services, photos: Path, moment: str) -> None:
    lived(services, photos)
    before, held, home = seen(services), needles(services), services.settings.home
    program = [sys.executable, "-c", KILLED, str(home), moment]
    found = subprocess.run(program, check=False, capture_output=True, text=True, cwd=REPOSITORY, env=os.environ.copy())
    assert found.returncode == -signal.SIGKILL, found.stderr
    assert seen(services) == before, "whatever is under which key, all of it opens"
    assert any(now_of(services))
    rotate(services.gallery, services.settings, None)
    assert now_of(services) == ([], [])
    assert drop(services.gallery, services.settings) == 1, "it was one rotation"
    assert seen(services) == before
    assert readable(services, held) == set()
