from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from pipeline.errors import PhotoError, TrainingDataError
from pipeline.images import open_photo
from pipeline.recognizer import Faces
from tests.fakes import BLUE, DEGENERATE, GREEN, RED, YELLOW, fake_recognizer, write_bars
from training.data.build import BuildOptions, Photo, build
from training.data.open import open_dataset
from training.data.shard_index import ShardIndex

OPTIONS = BuildOptions(("fake.unit@00000000",), "png", shard=3)
COLOURS = {"ann/1.png": RED, "ann/2.png": GREEN, "bob/1.png": BLUE, "bob/2.x.png": YELLOW, "bob/3.png": RED}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name, colour in COLOURS.items():
        write_bars(folder / name, colour)
    write_bars(folder / "cy/several.png", GREEN, RED)
    write_bars(folder / "cy/none.png", (0, 0, 0))
    write_bars(folder / "dee/flat.png", DEGENERATE)
    (folder / "dee/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return folder


def photos_of(source: Path) -> list[Photo]:
    return [Photo(file.parent.name, f"{file.parent.name}/{file.name}") for file in sorted(source.rglob("*.*"))]


class Stream:
    """Detects and aligns with the fakes; breaks down at a photo, if it is told to."""

    def __init__(self, source: Path, breaks_at: int | None = None) -> None:
        self.seen: list[str] = []
        self._source, self._left = source, breaks_at

    def __call__(self, photos: Sequence[Photo]) -> Iterator[tuple[Photo, Faces | PhotoError]]:
        opened = lambda photo: open_photo(self._source / photo.name)  # noqa: E731
        for photo, faces in fake_recognizer().stream(photos, opened, workers=2, chunk=2):
            if self._left == len(self.seen):
                raise KeyboardInterrupt
            self.seen.append(photo.name)
            yield photo, faces


def run(source: Path, out: Path, options: BuildOptions = OPTIONS) -> list[bool]:
    return [built.resumed for built in build(source, photos_of(source), out, Stream(source), options)]


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != ".lock"}


def test_every_photo_becomes_a_crop_or_a_row(source: Path, tmp_path: Path) -> None:
    assert run(source, tmp_path / "out") == [False] * 3
    found = open_dataset(tmp_path / "out")
    assert list(found.identities) == ["ann", "bob", "cy"]
    crops = {found.name(index): found.read(index)[56, 56].tolist() for index in range(len(found))}
    assert crops == {**{name: list(colour) for name, colour in COLOURS.items()}, "cy/several.png": list(GREEN)}
    for index in range(len(found)):
        assert found.identities[found.labels[index]] == found.name(index).split("/")[0]
    indices = [ShardIndex.beside(file) for file in sorted((tmp_path / "out").glob("*.tar"))]
    failed = {row["photo"]: row["error"] for index in indices if index for row in index.failed}
    assert failed == {
        "cy/none.png": "no_face",
        "dee/flat.png": "degenerate_landmarks",
        "dee/broken.png": "photo_damaged",
    }
    assert sum(index.several for index in indices if index) == 1


def test_photos_with_several_faces_fail_where_only_one_is_wanted(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out", BuildOptions((), "jpg", only_face=True))
    index = ShardIndex.beside(tmp_path / "out" / "shard-000000.tar")
    assert index is not None
    assert {row["error"] for row in index.failed if row["photo"] == "cy/several.png"} == {"several_faces"}
    found = open_dataset(tmp_path / "out")
    crop = next(found.read(i) for i in range(len(found)) if found.name(i) == "bob/1.png")
    np.testing.assert_allclose(crop[56, 56], BLUE, atol=3)  # a JPEG


def test_the_library_reads_what_we_write(source: Path, tmp_path: Path) -> None:
    from webdataset.tariterators import group_by_keys, tar_file_iterator

    run(source, tmp_path / "out")
    samples: list[dict[str, bytes]] = []
    for file in sorted((tmp_path / "out").glob("*.tar")):
        with file.open("rb") as stream:
            samples += group_by_keys({**member, "__url__": file.name} for member in tar_file_iterator(stream))
    assert len(samples) == 6
    found = open_dataset(tmp_path / "out")
    for index, sample in enumerate(samples):
        about = json.loads(sample["json"])
        assert about["identity"] == found.identities[found.labels[index]]
        assert about["photo"] == found.name(index)
        pixels = open_photo(sample["png"]).pixels()
        np.testing.assert_array_equal(pixels, found.read(index))


@pytest.mark.parametrize("breaks_at", [0, 1, 3, 4, 8])
def test_a_build_that_was_stopped_goes_on_and_gives_the_same_bytes(
    breaks_at: int, source: Path, tmp_path: Path
) -> None:
    run(source, tmp_path / "whole")
    stopped = Stream(source, breaks_at)
    with pytest.raises(KeyboardInterrupt):
        list(build(source, photos_of(source), tmp_path / "out", stopped, OPTIONS))
    assert not list((tmp_path / "out").glob(".*.part"))
    with pytest.raises(TrainingDataError, match="of 3 shards"):
        open_dataset(tmp_path / "out")
    again = Stream(source)
    resumed = [one.resumed for one in build(source, photos_of(source), tmp_path / "out", again, OPTIONS)]
    assert sum(resumed) == breaks_at // 3
    assert len(again.seen) == 9 - breaks_at // 3 * 3  # what is done is not done again
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_a_set_is_not_mixed_with_another(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(source, out)
    before = files_of(out)
    with pytest.raises(TrainingDataError, match="other options"):
        run(source, out, BuildOptions(OPTIONS.models, "jpg", shard=3))
    write_bars(source / "ann" / "3.png", RED)
    with pytest.raises(TrainingDataError, match="other photos"):
        run(source, out)
    assert files_of(out) == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(TrainingDataError, match="is not empty"):
        run(source, tmp_path / "full")
    with FileLock(out / ".lock"), pytest.raises(TrainingDataError, match="another process is writing"):
        run(source, out)


def test_a_damaged_set_is_named(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(source, out)
    shard = out / "shard-000001.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-600])
    with pytest.raises(
        TrainingDataError, match=rf"shard-000001\.tar: has {len(whole) - 600} bytes, but its index says"
    ):
        open_dataset(out)
    shard.write_bytes(whole)
    index = shard.with_suffix(".json")
    text = index.read_text()
    for damaged in (text[:-30], text.replace('"samples"', '"simples"'), '{"format": "knownface-shard-1"}'):
        index.write_text(damaged)
        with pytest.raises(TrainingDataError, match=r"shard-000001\.json: is no"):
            open_dataset(out)
    index.unlink()  # then it is read like anybody's
    assert len(open_dataset(out)) == 6
    (out / "build.json").write_text("{}")
    with pytest.raises(TrainingDataError, match="is no plan of a build"):
        open_dataset(out)
