"""Lists of pairs in every form; bad ones are named errors with their line."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app.evaluation.lists
from app.evaluation.groups import MIXED, with_groups
from app.evaluation.lists import read_pairs
from app.evaluation.records import Pair, subject_codes
from pipeline.errors import ConfigError, KnownfaceError


def written(folder: Path, text: str | bytes, name: str = "pairs.txt") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


# --- LFW -------------------------------------------------------------------------------------------------------------


def test_view_2_names_its_folds(tmp_path: Path) -> None:
    lines = ["3\t2"]
    for fold in range(3):
        lines += [f"A{fold}\t{i}\t{i + 1}" for i in (1, 3)] + [f"A{fold}\t{i}\tB{fold}\t1" for i in (1, 2)]
    pairs = read_pairs(written(tmp_path, "\r\n".join(lines)))
    assert [pair.fold for pair in pairs] == [0] * 4 + [1] * 4 + [2] * 4
    assert all(pair.a.startswith(f"A{pair.fold}/") for pair in pairs)


def test_view_1_names_none(tmp_path: Path) -> None:
    pairs = read_pairs(written(tmp_path, "1\nAda\t1\t2\nAda\t1\tBob\t2\n"))
    assert [pair.fold for pair in pairs] == [None, None]


# --- CFP -------------------------------------------------------------------------------------------------------------


def cfp(folder: Path) -> Path:
    for kind, view in (("F", "frontal"), ("P", "profile")):
        photos = [f"{10 * s + i} ../Data/Images/{s:03d}/{view}/{i:02d}.jpg" for s in (1, 2, 3) for i in (1, 2)]
        written(folder, "\r\n".join(photos), f"Protocol/Pair_list_{kind}.txt")
    for kind in ("FF", "FP"):
        for fold, subject in (("01", 1), ("02", 2)):
            written(folder, f"{10 * subject + 1},{10 * subject + 2}\n", f"Protocol/Split/{kind}/{fold}/same.txt")
            written(folder, f"{10 * subject + 1},31\n", f"Protocol/Split/{kind}/{fold}/diff.txt")
    return folder / "Protocol"


def test_cfp(tmp_path: Path) -> None:
    pairs = read_pairs(cfp(tmp_path))
    assert [(p.a, p.b, p.mated, p.fold, p.subject_a, p.subject_b) for p in pairs[:2]] == [
        ("Data/Images/001/frontal/01.jpg", "Data/Images/001/profile/02.jpg", True, 0, "001", "001"),
        ("Data/Images/001/frontal/01.jpg", "Data/Images/003/profile/01.jpg", False, 0, "001", "003"),
    ]
    assert [pair.fold for pair in pairs] == [0, 0, 1, 1]
    assert all("profile" not in pair.b for pair in read_pairs(tmp_path / "Protocol", cfp="FF"))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("Split/FP/01/same.txt", "11;12\n", "same.txt: line 1"),
        ("Split/FP/02/diff.txt", "11,12\n\n99,1\n", "diff.txt: line 3"),
        ("Pair_list_P.txt", "11 ../../secret.jpg\n", "Pair_list_P.txt: line 1"),
        ("Pair_list_F.txt", "eleven ../Data/a/b/c.jpg\n", "Pair_list_F.txt: line 1"),
    ],
)
def test_a_damaged_cfp_is_named(tmp_path: Path, file: str, text: str, message: str) -> None:
    written(cfp(tmp_path), text, file)
    with pytest.raises(ConfigError, match=message):
        read_pairs(tmp_path / "Protocol")


def test_a_folder_that_is_no_cfp(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Pair_list_F"):
        read_pairs(tmp_path)
    for kind in "FP":
        written(tmp_path, "1 Data/a/b/c.jpg\n", f"Pair_list_{kind}.txt")
    with pytest.raises(ConfigError, match="Protocol"):
        read_pairs(tmp_path)


# --- CSV -------------------------------------------------------------------------------------------------------------


def test_csv(tmp_path: Path) -> None:
    text = (
        "\ufeffa,b,mated,age,subject_a,subject_b,fold,camera\n"
        '"x/1.jpg","x/2, too.jpg",1,young,Ada,Ada,0,"a"\n\n'
        "./y.jpg,z.jpg,False,old,,,1,b\n"
    )
    for name in ("pairs.csv", "pairs.txt"):
        one, other = read_pairs(written(tmp_path, text, name))
        assert (one.b, one.mated, one.fold, one.subject_a) == ("x/2, too.jpg", True, 0, "Ada")
        assert one.groups == (("age", "young"), ("camera", "a"))
        assert (other.a, other.mated, other.fold) == ("y.jpg", False, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\nx,y\n", "line 1 does not name the column mated"),
        ("a,b,mated,mated\n", "line 1 names a column twice"),
        ("a,b,mated\nx,y,1\nx,y\n", "line 3 has 2 fields"),
        ("a,b,mated\nx,y,maybe\n", "line 2: mated is 'maybe'"),
        ("a,b,mated\nx,../y,1\n", "line 2: '../y' is not the name"),
        ("a,b,mated\nx,/etc/passwd,1\n", "line 2"),
        ("a,b,mated\nx,a/../../y,1\n", "line 2"),
        ("a,b,mated\nx,..\\y,1\n", "line 2"),
        ("a,b,mated\nx,,1\n", "line 2"),
        ("a,b,mated,fold\nx,y,1,two\n", "line 2: fold"),
        ('a,b,mated\n"x,y,1\n', "is not CSV"),
        ("a,b,mated\nx,y,1\n", "mated and non-mated"),
    ],
)
def test_bad_csv_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text, "pairs.csv")
    with pytest.raises(ConfigError, match=message) as caught:
        read_pairs(file)
    assert str(caught.value).startswith(str(file))


def test_what_is_no_list_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for file in (pipe, tmp_path / "missing", Path("/dev/zero"), written(tmp_path, b"Ada\0 1 2\n", "nul")):
        with pytest.raises(ConfigError, match=file.name):
            read_pairs(file)
    monkeypatch.setattr(app.evaluation.lists, "LIST_BYTES", 10)
    with pytest.raises(ConfigError, match="limit"):
        read_pairs(written(tmp_path, "Ada 1 2\n" * 10))


@given(st.binary(max_size=300), st.sampled_from(["x.csv", "x.txt"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    file = written(tmp_path_factory.getbasetemp(), data, name)
    message = ""
    try:
        read_pairs(file)
    except KnownfaceError as error:
        message = error.message
    assert "\n" not in message


def test_damaged_lists_are_read_or_refused(tmp_path: Path) -> None:
    rng = random.Random(5)  # noqa: S311 - a test
    good = b"2\t1\nAda Lovelace\t1\t2\nBob\t1\tAda Lovelace\t3\nBob\t10\t2\nBob\t1\tCy\t2\n"
    for _ in range(500):
        bad = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        file = written(tmp_path, bytes(bad))
        try:
            names = [name for pair in read_pairs(file) for name in (pair.a, pair.b)]
        except ConfigError:
            continue
        assert not any(".." in Path(name).parts or name.startswith("/") for name in names)


# --- who and which group ---------------------------------------------------------------------------------------------


def test_subjects_of_pairs() -> None:
    pairs = [
        Pair("Ada/1", "Ada/2", True),
        Pair("Ada/1", "Bob/1", False),
        Pair("x1", "x2", True),
        Pair("x2", "y", False),
        Pair("Data/001/frontal/1", "Data/001/profile/1", True, subject_a="001", subject_b="001"),
    ]
    a, b, count = subject_codes(pairs)
    assert count == 5
    assert a[0] == b[0] == a[1] != b[1]
    assert a[2] == b[2] == a[3] != b[3], "both sides of a mated pair are one person, whatever the files are called"
    assert a[4] == b[4]
    assert subject_codes([])[2] == 0


def test_groups_from_a_list_of_people_or_photos(tmp_path: Path) -> None:
    pairs = [Pair("Ada/1", "Ada/2", True), Pair("Ada/1", "Bob/1", False), Pair("Bob/1", "Cy/1", False)]
    people = written(tmp_path, "subject,age,region\nAda,old,x\nBob,old,y\n", "people.csv")
    assert [p.groups for p in with_groups(pairs, people)] == [
        (("age", "old"), ("region", "x")),
        (("age", "old"), ("region", MIXED)),
        (("age", MIXED), ("region", MIXED)),
    ]
    photos = written(tmp_path, "photo,camera\nAda/1,a\nAda/2,a\n", "photos.csv")
    assert [dict(p.groups)["camera"] for p in with_groups(pairs, photos)] == ["a", MIXED, ""]
    for text, message in (("who,age\n", "first column"), ("subject,age\nAda,1\nAda,2\n", "line 3")):
        with pytest.raises(ConfigError, match=message):
            with_groups(pairs, written(tmp_path, text, "bad.csv"))
