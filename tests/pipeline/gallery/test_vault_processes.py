"""Several processes that change the key at once; one on a server that is killed; engines elsewhere that are refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from gallery_samples import DIMENSION, MODEL, probe_of
from test_vault_rotate import HERE, killed
from vault_samples import KEY, KEYS, NAMES, all_of, fill, opened

from pipeline.errors import VaultError
from pipeline.gallery.external import ExternalIndex
from pipeline.gallery.external_search import ExternalSearch
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.index_place import IndexPlace
from pipeline.gallery.vault.status import status_of

ROTATES = """
import sys
sys.path.insert(0, sys.argv[1])
from vault_samples import KEY, opened
from pipeline.errors import GalleryBusyError
from pipeline.gallery.vault import work
work.AT_ONCE = 3
with opened(sys.argv[2]) as gallery:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print(gallery.vault().rotate(KEY).state)
    except GalleryBusyError as error:
        print(error.message)
"""


@pytest.mark.slow
def test_several_processes_rotate_at_once(location):
    with opened(location) as gallery:
        fill(gallery)
        gallery.vault().init(KEY)
        held, before = all_of(gallery), status_of(location).vault.key_id
        program = [sys.executable, "-c", ROTATES, str(HERE), location]
        several = [
            subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[2])
            for _ in range(3)
        ]
        for one in several:
            assert one.stdout.readline() == "ready\n"
        for one in several:
            one.stdin.write("\n")
            one.stdin.flush()
        said = [one.communicate(timeout=120)[0].strip() for one in several]
        assert [one.returncode for one in several] == [0, 0, 0]
        assert "on" in said
        assert all(text == "on" or "another process" in text for text in said), said
        status = status_of(location)
        assert (status.vault.state, status.waiting, len(status.vault.keys)) == ("on", 0, 1)
        assert status.vault.key_id != before
        assert all_of(gallery) == held
        assert gallery.check() == []
        assert [entry.action for entry in gallery.audit()].count("vault_done") == 1 + said.count("on")


@pytest.mark.slow
@pytest.mark.parametrize(("command", "moment"), [("init", "UPDATE templates"), ("rotate", "UPDATE samples")])
def test_a_process_that_is_killed_at_a_server(database, command, moment):
    with opened(database) as gallery:
        fill(gallery)
        if command == "rotate":
            gallery.vault().init(KEY)
        held = all_of(gallery)
    killed(database, command, moment, 2)
    assert status_of(database).as_dict()["state"] == {"init": "encrypting", "rotate": "rotating"}[command]
    with opened(database) as gallery:
        assert all_of(gallery) == held
        assert getattr(gallery.vault(), command)(KEY).state == "on"
        assert all_of(gallery) == held
        assert (status_of(database).waiting, len(status_of(database).vault.keys)) == (0, 1)


class Engine(ExternalIndex):
    """An engine elsewhere that remembers what it was given."""

    label, dimension = "the engine", DIMENSION

    def __init__(self):
        self.put_in, self.now = [], None

    def at(self):
        return self.now

    def mark(self, at):
        self.now = at

    def put(self, vectors, ids):
        self.put_in += zip(ids.tolist(), vectors.tolist(), strict=True)

    def remove(self, ids):
        raise AssertionError(ids)

    def clear(self):
        self.put_in.clear()

    def search(self, vectors, k):
        return [(np.zeros(0, np.float32), np.zeros(0, np.int64)) for _ in vectors]


def test_an_engine_elsewhere_gets_nothing_of_an_encrypted_gallery(tmp_path):
    with opened(tmp_path / "g") as gallery:
        fill(gallery)
        engine = Engine()
        search = ExternalSearch(gallery._truth, MODEL, engine)
        search.load()
        assert len(engine.put_in) == 3 * len(NAMES)
        gallery.vault().init(KEY)
        engine.put_in.clear()
        for act in (search.load, lambda: search.search(probe_of("x").vectors, 1)):
            with pytest.raises(
                VaultError, match=r'the engine: would keep the templates in the open: set index = "local"'
            ):
                act()
        later = ExternalSearch(gallery._truth, MODEL, engine)
        with pytest.raises(VaultError):
            later.load()
        assert engine.put_in == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pgvector", "milvus"])
def test_the_real_engines_are_refused(request, kind, tmp_path):
    location = request.getfixturevalue("database") if kind == "pgvector" else str(tmp_path / "g")
    url = "" if kind == "pgvector" else request.getfixturevalue("milvus_lite")
    with opened(location) as gallery:
        fill(gallery)
        gallery.vault().init(KEY)
    with (
        Gallery.open(location, MODEL, DIMENSION, index=IndexPlace(kind, url), keys=KEYS) as gallery,
        pytest.raises(VaultError, match="would keep the templates in the open"),
    ):
        gallery.search(probe_of("x"))
