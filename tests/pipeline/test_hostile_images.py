"""Every file of the hostile corpus decodes or is the named error it should be, quickly, and leaves nothing behind."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from pipeline.errors import PhotoError
from pipeline.images import open_photo
from tests.hostile import HostileCase, hostile_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[HostileCase]:
    return hostile_corpus(tmp_path_factory.mktemp("hostile"))


def outcome(source: Path | bytes, name: str | None = None) -> tuple[str, str]:
    """`ok` or the code of the named error, and its message; anything else that is raised is the test's failure."""
    try:
        photo = open_photo(source, name=name)
        pixels = photo.pixels()
        assert pixels.shape == (*photo.image_hw, 3)
        assert photo.thumbnail(64).size > 0
    except PhotoError as error:
        return error.code, error.message
    return "ok", ""


def small_file(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size < 2**20 and os.access(path, os.R_OK)
    except OSError:  # a name too long
        return False


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_there_are_enough_cases_of_every_sort(corpus: list[HostileCase]) -> None:
    assert len(corpus) >= 200
    assert len({case.path for case in corpus}) == len(corpus)
    codes = Counter(code for case in corpus if len(case.acceptable) == 1 for code in case.acceptable)
    wanted = {"ok": 80, "photo_damaged": 100, "photo_too_large": 10, "photo_format": 8, "photo_unreadable": 4}
    assert all(codes[code] >= count for code, count in wanted.items()), codes


def test_the_corpus_is_the_same_every_time(corpus: list[HostileCase], tmp_path: Path) -> None:
    again = hostile_corpus(tmp_path / "again")
    assert [case.name for case in again] == [case.name for case in corpus]
    for one, other in zip(corpus, again, strict=True):
        # an AVIF of several frames carries the time it was made
        if small_file(one.path) and one.name != "unusual-animated.avif":
            assert one.path.read_bytes() == other.path.read_bytes(), one.name


def test_each_case_ends_as_it_should(corpus: list[HostileCase]) -> None:
    wrong = []
    for case in corpus:
        started = time.perf_counter()
        code, message = outcome(case.path)
        seconds = time.perf_counter() - started
        if code not in case.acceptable:
            wrong.append(f"{case.name}: {code} instead of {sorted(case.acceptable)} {message}")
        if seconds > 5:
            wrong.append(f"{case.name}: took {seconds:.1f} s")
        if message and not (message.isprintable() and "; " in message and len(message) < len(str(case.path)) + 300):
            wrong.append(f"{case.name}: {message!r} is not one clear line")
    assert not wrong, "\n".join(wrong)


def test_bytes_end_as_their_file_does(corpus: list[HostileCase]) -> None:
    for case in corpus:
        if small_file(case.path):
            code, message = outcome(case.path.read_bytes(), name="upload")
            assert (code, message.split(": ")[1:]) == (code, outcome(case.path, "upload")[1].split(": ")[1:]), case.name
            assert code in case.acceptable, case.name


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files by /proc")
def test_no_file_stays_open(corpus: list[HostileCase]) -> None:
    before = open_files()
    for case in corpus:
        outcome(case.path)
    assert open_files() == before


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss differs")
def test_bombs_are_refused_before_memory_is_taken(corpus: list[HostileCase]) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for case in corpus:
        if case.name.startswith("bombs-"):
            outcome(case.path)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 300, f"{grown:.0f} MB"
