"""Templates and photos are personal data: what the gallery writes is its owner's alone, whatever the umask."""

from __future__ import annotations

import os
import stat

import pytest
from gallery_samples import DIMENSION, MODEL, sample_of

from pipeline.gallery.gallery import Gallery

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")


@pytest.fixture(autouse=True)
def _generous_umask():
    before = os.umask(0o000)
    yield
    os.umask(before)


def modes(folder):
    return {file.name.split("-")[0]: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_may_read_what_a_gallery_writes(tmp_path):
    folder = tmp_path / "galleries" / "mine"
    with Gallery.open(folder, MODEL, DIMENSION) as gallery:
        gallery.enrol("Ada", [sample_of("ada")])
        assert gallery.save_index()
        assert {"gallery.db", "index"} <= modes(folder).keys()
        assert {"gallery.db-wal", "gallery.db-shm"} <= {file.name for file in folder.iterdir()}
        assert set(modes(folder).values()) == {0o600}
        (tmp_path / "backups").mkdir()
        gallery.backup(tmp_path / "backups" / "one.db")
    assert mode(folder) == 0o700
    assert mode(tmp_path / "backups" / "one.db") == 0o600
    Gallery.restore(tmp_path / "backups" / "one.db", tmp_path / "restored")
    assert mode(tmp_path / "restored") == 0o700
    assert set(modes(tmp_path / "restored").values()) == {0o600}


def test_what_was_there_keeps_its_mode(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o770)
    Gallery.open(folder, MODEL, DIMENSION).close()
    assert mode(folder) == 0o770
    assert mode(folder / "gallery.db") == 0o600
    (folder / "gallery.db").chmod(0o660)
    with Gallery.open(folder, MODEL, DIMENSION) as gallery:
        gallery.enrol("Ada", [sample_of("ada")])
        assert gallery.save_index()
        gallery.backup(tmp_path / "one.db")
    assert [mode(file) for file in folder.glob("*.kfi")] == [0o660]  # who may read the database may read its index
    assert mode(tmp_path / "one.db") == 0o600
    Gallery.restore(tmp_path / "one.db", folder)
    assert mode(folder) == 0o770
    assert mode(folder / "gallery.db") == 0o660
