"""An index file that somebody has made: it is thrown away, whatever its header says, and speaks for nobody."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of
from vault_samples import KEY, NAMES, fill, opened

from pipeline.gallery import Gallery, snapshot


@pytest.fixture
def saved(tmp_path):
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION) as gallery:
        gallery.enrol("Ada", [sample_of("a")])
        assert gallery.save_index()
    (file,) = (tmp_path / "g").glob("*.kfi")
    return file


def header_of(file):
    raw = file.read_bytes()
    _, length, _ = snapshot._PREFIX.unpack(raw[: snapshot._PREFIX.size])
    return json.loads(raw[snapshot._PREFIX.size : snapshot._PREFIX.size + length])


def put(file, text):
    data = text if isinstance(text, bytes) else json.dumps(text).encode()
    out = snapshot._PREFIX.pack(snapshot._MAGIC, len(data), hashlib.sha256(data).digest()) + data
    file.write_bytes(out + (file.read_bytes()[len(out) :] if file.exists() else b""))


def without(key):
    return lambda header: {name: value for name, value in header.items() if name != key}


def with_section(name, value):
    return lambda header: header | {"sections": header["sections"] | {name: value}}


@pytest.mark.parametrize(
    "made",
    [
        *map(without, ("sections", "codes", "at", "count", "subjects", "model_id", "dimension")),
        lambda header: header | {"at": [header["at"][0], None, {}, []]},
        lambda header: header | {"at": 7},
        lambda header: header | {"codes": [[1, 128]]},
        lambda header: header | {"codes": ["ab"]},
        lambda header: header | {"sections": []},
        with_section("names", [1]),
        with_section("vectors", "abc"),
        lambda _: [],
        lambda _: b"[" * 100_000,
        lambda _: b"9" * 5000,
        lambda _: b"\xff",
    ],
)
def test_a_header_that_fits_its_hash_and_is_none_of_ours(saved, made):
    put(saved, made(header_of(saved)))
    with Gallery.open(saved.parent, MODEL, DIMENSION) as gallery:
        assert gallery.search(probe_of("a"))[0].subjects == ("Ada",)
        gallery.erase("Ada")
    assert not saved.exists()


@pytest.mark.skipif(os.name != "posix", reason="no named pipes")
def test_a_pipe_in_its_place_is_not_waited_for(saved):
    saved.unlink()
    os.mkfifo(saved)
    with Gallery.open(saved.parent, MODEL, DIMENSION) as gallery:
        assert gallery.search(probe_of("a"))[0].subjects == ("Ada",)
        gallery.erase("Ada")
    assert not saved.exists()


def test_without_the_key_nobody_says_that_nobody_is_enrolled(tmp_path):
    with opened(tmp_path / "g") as gallery:
        fill(gallery)
        gallery.vault().init(KEY)
        assert gallery.save_index()
    (file,) = (tmp_path / "g").glob("*.kfi")
    nothing = {name: [4096, 0, []] for name in ("vectors", "ids", "labels", "name_ids", "names")}
    forged = header_of(file) | {"count": 0, "subjects": 0, "codes": [], "sections": nothing}
    put(file, forged)
    with opened(tmp_path / "g") as gallery:
        assert gallery.search(probe_of(f"{NAMES[0]} 0"))[0].subjects[0] == NAMES[0]


def test_an_empty_encrypted_gallery_keeps_its_index(tmp_path, monkeypatch):
    with opened(tmp_path / "g") as gallery:
        gallery.vault().init(KEY)
        gallery.search(probe_of("a"))
        assert gallery.save_index()
    monkeypatch.setattr("pipeline.gallery.mirror.Mirror.rebuild", lambda *_: pytest.fail("rebuilt"))
    with opened(tmp_path / "g") as gallery:
        assert gallery.search(probe_of("a"))[0].subjects == ()
