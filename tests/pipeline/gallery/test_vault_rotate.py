"""Encrypting and changing the key while others work, and when the process is killed in the middle."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of
from vault_samples import KEY, NAMES, OTHER, all_of, fill, in_files, needles, opened, texts

from app.traces import scan
from pipeline.errors import KnownfaceError, VaultError, VaultLockedError
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.vault import work
from pipeline.gallery.vault.master import KeyPlaces
from pipeline.gallery.vault.status import status_of

HERE = Path(__file__).parent

KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import sqlalchemy as sa
from vault_samples import KEY, opened
from pipeline.gallery.vault import work
work.AT_ONCE = 3
left = [int(sys.argv[5])]
@sa.event.listens_for(sa.Engine, "after_cursor_execute")
def _kill(connection, cursor, statement, *_):
    if sys.argv[4] in " ".join(statement.split()):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
gallery = opened(sys.argv[2])
getattr(gallery.vault(), sys.argv[3])(KEY)
"""

MOMENTS = {  # after which statement, and what the gallery then says of itself
    "names": ("UPDATE subjects", 1, "before"),
    "log": ("INSERT INTO audit", 1, "before"),
    "samples": ("UPDATE samples", 2, "begun"),
    "templates": ("UPDATE templates", 2, "begun"),
    "sealed": ("UPDATE meta", 1, "begun"),
    "cleaning": ("DELETE FROM removed", 1, "cleaning"),
}


def killed(folder, command, statement, count):
    program = [sys.executable, "-c", KILLED, str(HERE), str(folder), command, statement, str(count)]
    found = subprocess.run(program, check=False, capture_output=True, text=True, cwd=HERE.parents[2])
    assert found.returncode == -9, found.stderr


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("command", ["init", pytest.param("rotate", marks=pytest.mark.slow)])
def test_a_process_that_is_killed(tmp_path, command, moment):
    statement, count, expected = MOMENTS[moment]
    folder = tmp_path / "g"
    with opened(folder) as gallery:
        fill(gallery)
        if command == "rotate":
            gallery.vault().init(KEY)
        held = all_of(gallery)
    before = status_of(str(folder)).as_dict()["state"]
    killed(folder, command, statement, count)
    begun = {"init": "encrypting", "rotate": "rotating"}[command]
    assert status_of(str(folder)).as_dict()["state"] == {"before": before, "begun": begun}.get(expected, expected)
    with opened(folder) as gallery:
        assert all_of(gallery) == held
        gallery.enrol("Grace Hopper", [sample_of("grace")])
        assert getattr(gallery.vault(), command)(KEY).state == "on"
        after = all_of(gallery)[0]
        assert {name: after[name] for name in NAMES} == held[0]
        assert gallery.search(probe_of("grace"))[0].subjects[0] == "Grace Hopper"
        assert gallery.check() == []
        status = status_of(str(folder))
        assert (status.waiting, len(status.vault.keys)) == (0, 1)
        assert scan([folder], needles(after)).traces == ()
        assert [in_files(folder, text) for text in texts()] == [[]] * len(texts())


def test_others_read_and_write_while_the_key_changes(location, monkeypatch):
    monkeypatch.setattr(work, "AT_ONCE", 4)
    stop, faults, made = threading.Event(), [], []
    with opened(location) as gallery:
        fill(gallery)
        held = all_of(gallery)[0]

        def others(number):
            try:
                with opened(location) as mine:
                    while not stop.is_set():
                        name = f"Somebody {number}.{len(made)}"
                        mine.enrol(name, [sample_of(name)])
                        made.append(name)
                        found = mine.search(probe_of(f"{NAMES[number]} 1", name))
                        assert [one.subjects[0] for one in found] == [NAMES[number], name]
                        assert NAMES[0] in [info.name for info in mine.subjects(search="love")]
            except (AssertionError, KnownfaceError) as error:
                faults.append(error)

        threads = [threading.Thread(target=others, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        try:
            states = [gallery.vault().init(KEY), *(gallery.vault().rotate(KEY) for _ in range(3))]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert faults == []
        assert len({state.key_id for state in states}) == 4
        assert made
        after = all_of(gallery)[0]
        assert {name: after[name] for name in NAMES} == held
        assert after.keys() == {*NAMES, *made}
        assert status_of(location).waiting == 0
        assert gallery.check() == []


def test_a_new_master_key(tmp_path):
    with opened(tmp_path / "g") as gallery:
        fill(gallery)
        with pytest.raises(VaultError, match="is not encrypted yet"):
            gallery.vault().rotate(KEY)
        first = gallery.vault().init(KEY)
        gallery.save_index()
        gallery.backup(tmp_path / "old.db")
        held = all_of(gallery)
        second = gallery.vault().rotate(KEY, OTHER)
        assert (second.vault_id, second.master_id) == (first.vault_id, OTHER.id)
        assert all_of(gallery) == held
    assert not list((tmp_path / "g").glob("*.kfi"))
    with pytest.raises(VaultLockedError, match=f"with the key {OTHER.id}, not with {KEY.id}"):
        opened(tmp_path / "g")
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION, keys=KeyPlaces(OTHER.text)) as gallery:
        assert all_of(gallery)[0] == held[0]
        gallery.release(NAMES[0])
    Gallery.restore(tmp_path / "old.db", tmp_path / "g")
    with opened(tmp_path / "g") as gallery:  # an older backup needs the older key
        assert all_of(gallery)[0] == held[0]
