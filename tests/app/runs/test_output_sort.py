"""app.runs.output.sort: a folder per person, whatever people are called; originals stay, nothing is overwritten."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.photos import RESULTS_MARKER
from app.runs.output import placing
from app.runs.output.safe_names import UNKNOWN, folder_name, folder_names
from app.runs.output.sort import sort_into
from app.runs.records import FaceRow
from pipeline.errors import ResultsError
from tests.result_rows import MadeRun, face, unknown

Photo = Callable[..., str]
HOWS = ("symlink", "hardlink", "copy")


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    """Makes a photo of this name; its content is its path."""

    def make(name: str, content: str | None = None) -> str:
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.fsencode(content or str(file)))
        return str(file)

    return make


def sha(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def of(path: str, *people: str) -> list[FaceRow]:
    return [face(path, n, subject=who, sha256=sha(path)) for n, who in enumerate(people, 1)]


def tree(folder: Path) -> set[str]:
    found = (p for p in folder.rglob("*") if not p.is_dir() and p.name != RESULTS_MARKER)
    return {p.relative_to(folder).as_posix() for p in found}


@pytest.mark.parametrize("how", HOWS)
def test_each_photo_is_with_everybody_in_it(tmp_path: Path, photo: Photo, how: str) -> None:
    a, b, c = photo("1/x.jpg"), photo("2/x.jpg"), photo("c.jpg")
    strangers = [unknown(c, n, cluster=who, sha256=sha(c)) for n, who in ((2, "7"), (3, "7"), (4, "alone"))]
    run = MadeRun([*of(a, "Ann", "Bo"), *of(b, "Ann"), *of(c, "AC/DC"), *strangers])
    before = {p: (Path(p).read_bytes(), Path(p).stat().st_mtime_ns) for p in (a, b, c)}
    out = tmp_path / "out"
    done = sort_into(run, out, how)  # type: ignore[arg-type]
    second = f"Ann/x-{sha(b)[:8]}.jpg"
    assert tree(out) == {"Ann/x.jpg", second, "Bo/x.jpg", "AC_DC/c.jpg"}
    assert (done.placed, done.already, done.failed) == (4, 0, [])
    assert (out / second).read_bytes() == Path(b).read_bytes()
    assert (out / "Ann/x.jpg").is_symlink() == (how == "symlink")
    assert ((out / "Ann/x.jpg").stat().st_ino == Path(a).stat().st_ino) == (how != "copy")
    assert (out / "Ann/x.jpg").stat().st_mtime_ns == Path(a).stat().st_mtime_ns

    again = sort_into(run, out, how, unknown=True)  # type: ignore[arg-type]
    assert (again.placed, again.already, again.removed) == (1, 4, 0)
    assert tree(out) == {"Ann/x.jpg", second, "Bo/x.jpg", "AC_DC/c.jpg", "_unknown/7/c.jpg"}
    assert {p: (Path(p).read_bytes(), Path(p).stat().st_mtime_ns) for p in (a, b, c)} == before


@pytest.mark.parametrize("how", HOWS)
def test_what_no_longer_holds_goes_unless_something_would_be_lost(tmp_path: Path, photo: Photo, how: str) -> None:
    a, b, c = photo("a.jpg"), photo("b.jpg"), photo("c.jpg")
    out = tmp_path / "out"
    strangers = [unknown(p, cluster="1", sha256=sha(p)) for p in (a, b, c)]
    sort_into(MadeRun(strangers), out, how, unknown=True)  # type: ignore[arg-type]
    (out / "_unknown/1/c.jpg").unlink()
    (out / "_unknown/1/c.jpg").write_text("somebody's own")
    Path(b).unlink()
    named = [replace(row, decision="match", subject="Cy") for row in strangers if row.photo != b]
    done = sort_into(MadeRun(named), out, how, unknown=True)  # type: ignore[arg-type]
    assert done.removed == (2 if how == "symlink" else 1), "a link that leads nowhere holds nothing"
    left = {"_unknown/1/c.jpg"} if how == "symlink" else {"_unknown/1/b.jpg", "_unknown/1/c.jpg"}
    assert tree(out) == {"Cy/a.jpg", "Cy/c.jpg"} | left
    assert {Path(kept).name for kept in done.kept} == {Path(name).name for name in left}
    assert (out / "_unknown/1/c.jpg").read_text() == "somebody's own"


def test_another_way_replaces_links_by_copies(tmp_path: Path, photo: Photo) -> None:
    a, out = photo("a.jpg"), tmp_path / "out"
    sort_into(MadeRun(of(a, "Ann")), out, "symlink")
    done = sort_into(MadeRun(of(a, "Ann")), out, "copy")
    assert (done.placed, done.removed) == (1, 1)
    assert not (out / "Ann/a.jpg").is_symlink()


def test_a_file_of_somebody_elses_stays(tmp_path: Path, photo: Photo) -> None:
    a, out = photo("a.jpg"), tmp_path / "out"
    sort_into(MadeRun(), out)
    (out / "Ann").mkdir()
    (out / "Ann/a.jpg").write_text("mine")
    (out / f"Ann/a-{sha(a)[:8]}.jpg").write_text("mine, too")
    done = sort_into(MadeRun(of(a, "Ann")), out)
    assert [path for path, _ in done.failed] == [a]
    assert (out / "Ann/a.jpg").read_text() == "mine"


def test_a_person_leaving_does_not_double_the_others(tmp_path: Path, photo: Photo) -> None:
    a, b, out = photo("1/x.jpg"), photo("2/x.jpg"), tmp_path / "out"
    sort_into(MadeRun([*of(a, "Ann"), *of(b, "Ann")]), out)
    sort_into(MadeRun(of(b, "Ann")), out)
    assert tree(out) == {f"Ann/x-{sha(b)[:8]}.jpg"}


def test_folders_it_may_not_use_are_refused(tmp_path: Path, photo: Photo) -> None:
    a = photo("a.jpg")
    run = MadeRun(of(a, "Ann"))
    for folder in (tmp_path, tmp_path / "photos", Path(os.path.relpath(tmp_path / "photos"))):
        with pytest.raises(ResultsError, match="photos that were identified"):
            sort_into(run, folder)
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    with pytest.raises(ResultsError, match="photos that were identified"):
        sort_into(run, tmp_path / "link")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("")
    with pytest.raises(ResultsError, match="is not empty"):
        sort_into(run, tmp_path / "full")
    sort_into(run, tmp_path / "photos/inside")
    (tmp_path / "photos/inside" / RESULTS_MARKER).write_text("{}")
    with pytest.raises(ResultsError, match="cannot be read"):
        sort_into(run, tmp_path / "photos/inside")


def test_a_link_in_place_of_a_persons_folder_is_not_followed(tmp_path: Path, photo: Photo) -> None:
    a, out, elsewhere = photo("a.jpg"), tmp_path / "out", tmp_path / "elsewhere"
    sort_into(MadeRun(), out)
    elsewhere.mkdir()
    (out / "Ann").symlink_to(elsewhere)
    done = sort_into(MadeRun(of(a, "Ann")), out, "copy")
    assert len(done.failed) == 1
    assert not list(elsewhere.iterdir())


def test_gone_changed_and_other_disks_are_rows(tmp_path: Path, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, changed = photo("gone.jpg"), photo("changed.jpg")
    run = MadeRun([*of(changed, "Ann"), *of(gone, "Ann")])
    Path(gone).unlink()
    Path(changed).write_text("other")
    done = sort_into(run, tmp_path / "copies", "copy")
    assert [("changed since" in text, "no such file" in text) for _, text in done.failed] == [
        (True, False),
        (False, True),
    ]
    assert tree(tmp_path / "copies") == set()

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(placing.os, "link", refuse)
    done = sort_into(run, tmp_path / "links", "hardlink")
    assert "cross-device" in done.failed[0][1]


def test_copies_work_without_hard_links(tmp_path: Path, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(placing.os, "link", refuse)
    a = photo("a.jpg")
    assert sort_into(MadeRun(of(a, "Ann")), tmp_path / "out", "copy").failed == []
    assert tree(tmp_path / "out") == {"Ann/a.jpg"}


def test_names_that_are_no_text_survive(tmp_path: Path, photo: Photo) -> None:
    a, out = photo("b\udcff%41.jpg"), tmp_path / "out"
    run = MadeRun(of(a, "Ann"))
    sort_into(run, out)
    assert sort_into(run, out).already == 1
    assert sort_into(MadeRun(), out).removed == 1
    assert [p.name for p in out.iterdir()] == [RESULTS_MARKER]


WINDOWS = set('<>:"/\\|?*') | {chr(n) for n in range(32)}
RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{d}{n}" for d in ("COM", "LPT") for n in "0123456789¹²³")}


@given(
    st.lists(
        st.text(min_size=1, max_size=210) | st.sampled_from(["..", "CON", "con .txt", "A", "a", "_unknown", "ﬁ", "fi"])
    )
)
def test_folder_names_are_safe_and_different_everywhere(names: list[str]) -> None:
    folders = folder_names(names)
    assert set(folders) == set(names)
    same = {unicodedata.normalize("NFKC", unicodedata.normalize("NFD", f).casefold()) for f in folders.values()}
    assert len(same) == len(folders)
    for folder in folders.values():
        assert not set(folder) & WINDOWS
        assert len(folder.encode()) <= 128
        assert folder[0] not in ". "
        assert folder[-1] not in ". "
        assert folder.split(".")[0].strip().upper() not in RESERVED
        assert folder.casefold() != UNKNOWN


def test_people_keep_their_folders() -> None:
    first = folder_names(["ann"])
    assert folder_names(["Ann", "ann"], first)["ann"] == "ann"
    assert folder_name("Zoe\u0308 Núñez") == "Zoë Núñez"


def said_by(folder: Path, *, folders: dict[str, str], files: dict[str, tuple[str, str, str]]) -> None:
    """A folder of somebody else's, with a file that says what was put there."""
    folder.mkdir()
    entries = {name: dict(zip(("photo", "sha256", "how"), said, strict=True)) for name, said in files.items()}
    (folder / RESULTS_MARKER).write_text(json.dumps({"format": 1, "folders": folders, "files": entries}))


@pytest.mark.parametrize("name", ["../victim.jpg", "Ann/../../victim.jpg", "/{0}/victim.jpg", "a/b/c/d.jpg", ""])
def test_what_somebody_else_says_deletes_nothing_outside(tmp_path: Path, photo: Photo, name: str) -> None:
    a, victim = photo("a.jpg"), tmp_path / "victim.jpg"
    victim.write_bytes(b"mine")
    files = {name.format(tmp_path): (str(victim), sha(str(victim)), "copy")}
    said_by(tmp_path / "out", folders={}, files=files)
    with pytest.raises(ResultsError, match="cannot be read"):
        sort_into(MadeRun(of(a, "Ann")), tmp_path / "out")
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize("folder", ["..", "../elsewhere", "/elsewhere", "a/b", ""])
def test_what_somebody_else_says_puts_nothing_outside(tmp_path: Path, photo: Photo, folder: str) -> None:
    a = photo("a.jpg")
    said_by(tmp_path / "out", folders={"Ann": folder}, files={})
    with pytest.raises(ResultsError, match="cannot be read"):
        sort_into(MadeRun(of(a, "Ann")), tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "photos"]


@pytest.mark.parametrize("how", ["copy", "hardlink"])
def test_a_file_that_is_its_own_original_stays(tmp_path: Path, photo: Photo, how: str) -> None:
    a, only, elsewhere = photo("a.jpg"), tmp_path / "out" / "Ann" / "only.jpg", tmp_path / "elsewhere"
    digest = hashlib.sha256(b"mine").hexdigest()
    link = tmp_path / "out" / "Bo" / "only.jpg"
    said = {"Ann/only.jpg": (str(only), digest, how), "Bo/only.jpg": (str(elsewhere / "copy.jpg"), digest, "copy")}
    said_by(tmp_path / "out", folders={}, files=said)
    elsewhere.mkdir()
    only.parent.mkdir()
    for file in (only, elsewhere / "only.jpg", elsewhere / "copy.jpg"):
        file.write_bytes(b"mine")
    link.parent.symlink_to(elsewhere)
    done = sort_into(MadeRun(of(a, "Zoe")), tmp_path / "out")
    assert (done.removed, done.kept) == (0, [str(only), str(link)])
    assert [file.read_bytes() for file in (only, elsewhere / "only.jpg")] == [b"mine", b"mine"]
