"""InsightFace's .bin sets: what is admitted is read as pickle would; everything else is refused and never run."""

from __future__ import annotations

import os
import pickle
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app.evaluation.bins
from app.evaluation.bins import read_bin
from pipeline.errors import ConfigError

SETS = st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300), st.booleans()), max_size=12)


def written(folder: Path, data: bytes) -> Path:
    file = folder / "set.bin"
    file.write_bytes(data)
    return file


@given(SETS, st.sampled_from([3, 4, 5]), st.booleans())
def test_what_pickle_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[bytes, bytes, bool]], protocol: int, as_list: bool
) -> None:
    photos, mated = [side for row in rows for side in row[:2]], [row[2] for row in rows]
    value = [photos, mated] if as_list else (photos, mated)
    found = read_bin(written(tmp_path_factory.getbasetemp(), pickle.dumps(value, protocol)))
    assert (found.photos, found.mated) == (photos, mated)


def python_2(photos: list[bytes], mated: list[bool]) -> bytes:
    """What Python 2's cPickle writes with protocol 2: bytes as BINSTRING, each put into the memo."""
    out, memo = bytearray(b"\x80\x02]q\x00("), 1
    for photo in photos:
        short = len(photo) < 256
        out += b"U" + bytes([len(photo)]) if short else b"T" + struct.pack("<i", len(photo))
        out += photo + (b"q" + bytes([memo]) if memo < 256 else b"r" + struct.pack("<I", memo))
        memo += 1
    out += b"e]r" + struct.pack("<I", memo) + b"("
    for value in mated:
        out += b"\x88" if value else b"\x89"
    return bytes(out + b"e\x86r" + struct.pack("<I", memo + 1) + b".")


def test_what_python_2_wrote_is_read(tmp_path: Path) -> None:
    photos = [bytes(range(256)) * k for k in range(300)]
    mated = [i % 3 == 0 for i in range(150)]
    data = python_2(photos, mated)
    assert pickle.loads(data, encoding="bytes") == (photos, mated), "it is what Python 2 wrote"  # noqa: S301 - ours
    found = read_bin(written(tmp_path, data))
    assert (found.photos, found.mated) == (photos, mated)
    pairs = found.pairs()
    assert (pairs[7].a, pairs[7].b, pairs[7].mated) == ("000014", "000015", False)


def test_the_oldest_booleans_are_read(tmp_path: Path) -> None:
    photos, booleans = b"](U\x01aU\x01bU\x01cU\x01de", b"(lp1\nI01\naI00\na"
    assert read_bin(written(tmp_path, photos + booleans + b"\x86.")).mated == [True, False]


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def hostile(folder: Path) -> dict[str, bytes]:
    command = f"touch {folder / 'owned'}"
    evil = [pickle.dumps(([Evil(command)], [True]), protocol) for protocol in range(6)]
    inside = b"\x80\x02](U\x01aU\x01be](\x88e\x86"
    loop = b"\x80\x02]q\x00h\x00a."
    return {
        **{f"reduce {number}": data for number, data in enumerate(evil)},
        "after the value": inside + b"cos\nsystem\n(U" + bytes([len(command)]) + command.encode() + b"tR.",
        "inst": b"(S'x'\nios\nsystem\n.",
        "obj": b"(cos\nsystem\nU\x01xo.",
        "persistent": b"Pwhatever\n.",
        "extension": b"\x80\x02\x82\x01.",
        "text": pickle.dumps((["a", "b"], [True])),
        "numbers": pickle.dumps(([b"a", b"b"], [1])),
        "dictionary": pickle.dumps({"a": 1}),
        "one list": pickle.dumps([b"a", b"b"]),
        "odd": pickle.dumps(([b"a"], [True])),
        "nested": pickle.dumps(([[b"a"], b"b"], [True])),
        "a list in itself": loop,
        "a list in itself, later": b"\x80\x02]q\x00(]q\x01h\x00ah\x01e.",
        "a marker that is not there": b"\x80\x02]e.",
        "a memo that is not there": b"\x80\x02h\x07.",
        "an empty stack": b"\x80\x02.",
        "append to bytes": b"\x80\x02U\x01aU\x01ba.",
        "a marker in a list": b"\x80\x02](a.",
        "a length past the end": b"\x80\x05]\x8e" + struct.pack("<Q", 2**62) + b"a.",
        "a length that is negative": b"\x80\x02]T\xff\xff\xff\xffa.",
        "no end": b"\x80\x05](C\x01a",
        "a frame past the end": b"\x80\x05\x95" + struct.pack("<Q", 2**63) + b"].",
        "a long number": b"I" + b"9" * 100_000 + b"\n.",
        "no pickle": b"\xff\xd8\xff\xe0 a photo",
        "empty": b"",
    }


def test_hostile_pickles_are_refused_and_not_run(tmp_path: Path) -> None:
    for name, data in hostile(tmp_path).items():
        with pytest.raises(ConfigError, match=r"set\.bin") as caught:
            read_bin(written(tmp_path, data))
        assert "\n" not in str(caught.value), name
    assert not (tmp_path / "owned").exists()
    assert pickle.loads(hostile(tmp_path)["reduce 4"])[1] == [True], "it would have run"  # noqa: S301 - to show it
    assert (tmp_path / "owned").exists()


def test_damaged_sets_are_read_or_refused(tmp_path: Path) -> None:
    rng = random.Random(7)  # noqa: S311 - a test
    good = pickle.dumps(([b"photo %d" % i for i in range(8)], [True, False] * 2), 4)
    for _ in range(1000):
        bad = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        try:
            found = read_bin(written(tmp_path, bytes(bad[: rng.randint(1, len(bad))] if rng.random() < 0.3 else bad)))
        except ConfigError:
            continue
        assert all(type(photo) is bytes for photo in found.photos)
        assert all(type(value) is bool for value in found.mated)


@pytest.mark.parametrize("grows", [b"(", b"]", b"]\x94", b"\x88"])
def test_a_small_file_cannot_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grows: bytes) -> None:
    monkeypatch.setattr(app.evaluation.bins, "BIN_PHOTOS", 10)
    with pytest.raises(ConfigError, match="more than 10 photos"):
        read_bin(written(tmp_path, b"\x80\x04" + grows * 40 + b"."))


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, pickle.dumps(([b"a"] * 40, [True] * 20)))
    monkeypatch.setattr(app.evaluation.bins, "BIN_PHOTOS", 10)
    with pytest.raises(ConfigError, match="more than 10 photos"):
        read_bin(file)
    monkeypatch.setattr(app.evaluation.bins, "BIN_BYTES", 10)
    with pytest.raises(ConfigError, match="bytes"):
        read_bin(file)
    for other in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ConfigError, match=other.name):
            read_bin(other)
