"""The cache of templates: whole after a kill, private, keyed by everything that makes a template."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.evaluation.cache import EmbeddingCache, cache_state, clear_cache, recipe_of
from app.evaluation.embed import embed
from app.kept import cache_file, forget_photos
from app.services import Services
from pipeline.config import Settings
from pipeline.errors import ConfigError, NoFaceError, PhotoError, PhotoFormatError
from tests.conftest import REPOSITORY
from tests.fakes import DIMENSION, GREEN, RED, FakeDetector, fake_recognizer, vector_of, write_bars


def opened(home: Path, recipe: str = "r") -> EmbeddingCache:
    return EmbeddingCache(cache_file(home), recipe, DIMENSION)


def test_what_was_put_is_found(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    cache.put([("aa", vector_of(RED)), ("bb", NoFaceError("x: no face")), ("cc", PhotoFormatError("y: no photo"))])
    found = opened(tmp_path).get(["aa", "bb", "cc", "dd", "aa"])
    assert set(found) == {"aa", "bb"}, "other failures are not kept"
    np.testing.assert_array_equal(found["aa"], vector_of(RED))
    assert found["bb"] is None
    assert opened(tmp_path, "another recipe").get(["aa"]) == {}
    many = [(f"{i:x}", vector_of(i)) for i in range(1200)]
    cache.put(many)
    assert len(cache.get(key for key, _ in many)) == 1200


def test_the_cache_is_private_and_goes_for_good(tmp_path: Path) -> None:
    opened(tmp_path).put([("aa", vector_of(RED))])
    file = cache_file(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert cache_state(tmp_path)["templates"] == 1
    clear_cache(tmp_path)
    assert not file.exists()
    assert cache_state(tmp_path) == {"file": str(file), "templates": 0, "bytes": 0}
    clear_cache(tmp_path)


def test_photos_are_forgotten_down_to_their_bytes(tmp_path: Path) -> None:
    assert forget_photos(tmp_path, ["aa"]) == 0, "there is no cache"
    for recipe in ("r", "s"):
        opened(tmp_path, recipe).put([("aa", vector_of(RED)), ("bb", vector_of(GREEN))])
    assert vector_of(RED).tobytes() in cache_file(tmp_path).read_bytes()
    assert forget_photos(tmp_path, ["aa", "aa", "cc"]) == 2
    assert set(opened(tmp_path).get(["aa", "bb"])) == {"bb"}
    assert vector_of(RED).tobytes() not in cache_file(tmp_path).read_bytes()
    cache_file(tmp_path).write_bytes(b"no database at all" * 100)
    with pytest.raises(ConfigError, match="--clear"):
        forget_photos(tmp_path, ["aa"])


def test_what_cannot_be_a_template_is_made_again(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    cache.put([("aa", vector_of(RED)), ("bb", vector_of(GREEN)), ("cc", vector_of(1))])
    with sqlite3.connect(cache_file(tmp_path)) as connection:
        connection.execute("update templates set vector = x'00' where photo = 'aa'")
        connection.execute("update templates set vector = 'text' where photo = 'bb'")
        connection.execute("update templates set vector = ? where photo = 'cc'", (b"\xff" * 4 * DIMENSION,))
    connection.close()
    assert cache.get(["aa", "bb", "cc"]) == {}


def test_a_damaged_cache_is_a_named_error(tmp_path: Path) -> None:
    opened(tmp_path).put([("aa", vector_of(RED))])
    cache_file(tmp_path).write_bytes(b"no database at all" * 100)
    for use in (lambda: opened(tmp_path), lambda: cache_state(tmp_path)):
        with pytest.raises(ConfigError, match="--clear"):
            use()
    clear_cache(tmp_path)
    assert opened(tmp_path).get(["aa"]) == {}


_CHILD = """
import sys
from pathlib import Path
import numpy as np
from app.evaluation.cache import EmbeddingCache
cache = EmbeddingCache(Path(sys.argv[1]), "r", 4)
row = np.array([1, 0, 0, 0], np.float32)
number = 0
while True:
    cache.put((f"{sys.argv[2]}-{number + i}", row) for i in range(10))
    number += 10
    print(number, flush=True)
"""


def test_a_kill_leaves_it_whole_and_two_may_write(tmp_path: Path) -> None:
    file = cache_file(tmp_path)
    EmbeddingCache(file, "r", 4)
    environment = dict(os.environ, PYTHONPATH=str(REPOSITORY))
    children = [
        subprocess.Popen([sys.executable, "-c", _CHILD, str(file), name], stdout=subprocess.PIPE, env=environment)
        for name in "ab"
    ]
    done = []
    for child in children:
        assert child.stdout
        for _ in range(3):
            last = child.stdout.readline()
        done.append(int(last))
    for child in children:
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert child.stdout
        child.stdout.close()
    cache = EmbeddingCache(file, "r", 4)
    for name, count in zip("ab", done, strict=True):
        assert len(cache.get(f"{name}-{i}" for i in range(count))) == count, "what was kept is there"


def test_a_second_run_detects_nothing(tmp_path: Path) -> None:
    write_bars(tmp_path / "photos/red.png", RED)
    write_bars(tmp_path / "photos/none.png")
    (tmp_path / "photos/bad.png").write_bytes(b"no photo")
    names = ["red.png", "none.png", "bad.png", "missing.png"]
    services = Services(Settings(home=tmp_path, workers=1))
    first = second = None
    for _ in range(2):
        services._recognizer = fake_recognizer()
        detector = services._recognizer._detector
        assert isinstance(detector, FakeDetector)
        first, second = (
            second,
            embed(services, names, lambda name: services.open(tmp_path / "photos" / name), cache=opened(tmp_path)),
        )
    assert first is not None
    assert second is not None
    assert detector.batches == [], "both photos that could be opened were known"
    np.testing.assert_array_equal(first["red.png"], second["red.png"])
    codes = [error.code for name in names[1:] if isinstance(error := second[name], PhotoError)]
    assert codes == ["no_face", "photo_format", "photo_not_found"]
    assert "none.png" in str(second["none.png"]), "the error names the photo"


def test_the_recipe_knows_what_makes_a_template(models_home: Path) -> None:
    def recipe(*, aligned: bool = False, **changes: object) -> str:
        services = Services(Settings(**changes))  # type: ignore[arg-type]
        services._recognizer = fake_recognizer()
        return recipe_of(services, aligned=aligned)

    base = recipe()
    assert base == recipe(workers=3, verify_fmr=0.5, gallery="elsewhere", max_bytes=5)
    assert base == recipe(index="milvus", index_url="x.db", index_method="hnsw"), "who searches makes no template"
    others = [recipe(min_confidence=0.5), recipe(refiner="none"), recipe(flip_fusion=True), recipe(aligned=True)]
    assert len({base, *others}) == 5
