"""A real disk that is full, in memory: whatever does not fit is refused by name and leaves the gallery as it was.

Without the right to mount only `test_failures.test_a_disk_that_takes_no_more` stands for it, by a limit on file sizes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.confined import may_mount

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

PROGRAM = """
import contextlib, errno, json, os, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {here!r}]
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of
from pipeline.errors import GalleryError
from pipeline.gallery.gallery import Gallery
from tests.confined import small_disk

disk, elsewhere = Path(sys.argv[1]), Path(sys.argv[2])
small_disk(disk, 8 << 20)
ballast, folder, copy = disk / "ballast", disk / "g", disk / "copy.db"


def fill(left):
    with open(ballast, "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
        file.truncate(max(0, file.tell() - left))
    status = os.statvfs(disk)
    assert status.f_bavail * status.f_frsize <= left + 4096


def state(gallery):
    return [(info.name, info.samples) for info in gallery.subjects()]


def people(tag, count, crop):
    return [(f"{{tag}} {{n}}", sample_of((tag, n), crop=bytes(crop))) for n in range(count)]


def acts(gallery, left):
    return {{
        "enrol": lambda: gallery.enrol_many(people(f"new {{left}}", 20, 60_000)),
        "remove": lambda: gallery.remove("old 0"),
        "save": lambda: None if gallery.save_index() else 1 / 0,
        "backup": lambda: gallery.backup(copy),
        "compact": lambda: gallery.compact(),
        "restore": lambda: gallery.restore(elsewhere, folder),
    }}


rows = []
with Gallery.open(disk / "other", MODEL, DIMENSION) as other:
    other.enrol_many(people("backup", 20, 40_000))
    other.backup(elsewhere)
for file in (disk / "other").iterdir():
    file.unlink()
for left in (0, 40_960, 131_072):
    for name in acts(None, 0):
        for file in folder.glob("*"):
            file.unlink()
        copy.unlink(missing_ok=True)
        with Gallery.open(folder, MODEL, DIMENSION) as gallery:
            gallery.enrol_many(people("old", 40, 20_000))
            gallery.load()
            before, told, refusal = state(gallery), None, ""
            fill(left)
            try:
                acts(gallery, left)[name]()
                told = "done"
            except ZeroDivisionError:
                told = "not saved"
            except GalleryError as error:
                told, refusal = "refused", error.message
            after_act = state(gallery)  # read while it is still full
            found = gallery.search(probe_of(("old", 7)))[0].subjects[:1]
            ballast.unlink()
            problems = [problem.message for problem in gallery.check()]
            unchanged = after_act == before
            gallery.enrol("later", [sample_of("later")])
        with Gallery.open(folder, MODEL, DIMENSION) as gallery:  # and as another process sees it
            again = gallery.search(probe_of("later"))[0].subjects[:1] == ("later",)
            problems += [problem.message for problem in gallery.check()]
            same = dict(state(gallery)) == dict(after_act) | {{"later": 1}}
        rows.append([left, name, told, refusal, unchanged, found == ("old 7",), problems, again and same,
                     sorted(file.name for file in folder.iterdir() if file.suffix == ".tmp"), copy.exists()])
print(json.dumps(rows))
"""


@pytest.mark.slow
def test_a_full_disk_refuses_and_changes_nothing(tmp_path):
    if not may_mount():
        pytest.skip("mounting needs CAP_SYS_ADMIN; a limit on file sizes stands for the full disk in test_failures.py")
    (tmp_path / "disk").mkdir()
    program = PROGRAM.format(root=str(ROOT), here=str(HERE))
    command = [sys.executable, "-c", program, str(tmp_path / "disk"), str(tmp_path / "backup.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    for left, name, told, refusal, unchanged, found, problems, again, leftovers, copied in rows:
        where = (left, name, told, refusal)
        if told == "refused":
            assert "the disk is full" in refusal, where
            assert len(refusal.splitlines()) == 1, where
        assert unchanged or (told == "done" and name in {"enrol", "remove", "restore"}), where
        assert found or (told == "done" and name == "restore"), where
        assert problems == [], where
        assert again, where
        assert leftovers == [], where
        assert copied == (told == "done" and name == "backup"), where
    at_none = {name: told for left, name, told, *_ in rows if left == 0}
    assert at_none.keys() == {"enrol", "remove", "save", "backup", "compact", "restore"}
    assert {at_none[name] for name in ("enrol", "backup", "restore")} == {"refused"}
    assert at_none["save"] == "not saved"
