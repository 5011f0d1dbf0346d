from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import TrainingDataError
from tests.training.data.shards import crop, framed, packed, png
from training.data.open import open_dataset
from training.data.recordio import RecordDataset

MAGIC = b"\x0a\x23\xd7\xce"


def write(folder: Path, records: dict[int, bytes], *, index: bool = True) -> Path:
    data, lines = b"", []
    for key, record in records.items():
        lines.append(f"{key}\t{len(data)}\n")
        data += framed(record)
    (folder / "train.rec").write_bytes(data)
    if index:
        (folder / "train.idx").write_text("".join(lines))
    return folder / "train.rec"


def insightface(folder: Path) -> Path:
    """Two crops of one identity and one of another, as InsightFace's packer leaves them."""
    records = {0: packed([4, 6], b"", 0)}
    records |= {key: packed([label], png(crop(key)), key) for key, label in ((1, 0), (2, 0), (3, 1))}
    records |= {4: packed([1, 3], b"", 4), 5: packed([3, 4], b"", 5)}
    (folder / "property").write_text("2,112,112\n")
    return write(folder, records)


def test_insightface_sets_are_read_whole(tmp_path: Path) -> None:
    insightface(tmp_path)
    found = open_dataset(tmp_path)
    assert isinstance(found, RecordDataset)
    assert len(found) == 3
    assert list(found.identities) == ["0", "1"]
    assert found.labels.tolist() == [0, 0, 1]
    for index in range(3):
        np.testing.assert_array_equal(found.read(index), crop(index + 1))
    again = pickle.loads(pickle.dumps(found))  # noqa: S301 - as it goes to a worker
    np.testing.assert_array_equal(again.read(2), crop(3))
    assert found.name(2) == "train.rec record 3"


@pytest.mark.parametrize("index", [True, False])
def test_sets_of_im2rec_have_crops_only(index: bool, tmp_path: Path) -> None:
    records = {
        0: packed([700], png(crop(9)), 0),
        1: packed([41, 2.5], png(crop(8)), 1),  # a list of labels: the first is the identity
        2: packed([700], png(crop(7)), 2, listed=True),
    }
    (tmp_path / "train.lst").write_text("0\t700.0\tann/1.jpg\n1\t41.0\t2.5\tbob/1.jpg\n2\t700.0\tann/2.jpg\n")
    found = RecordDataset(write(tmp_path, records, index=index))
    assert list(found.identities) == ["41", "700"]
    assert found.labels.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(found.read(1), crop(8))
    assert found.name(1) == "train.rec record 1 (bob/1.jpg)"


def test_a_record_that_holds_the_magic_number_is_put_together_again(tmp_path: Path) -> None:
    header = struct.pack("<IfQQ", 0, 6.0, 0, 0)
    head = [MAGIC + struct.pack("<I", flag << 29 | length) for flag, length in ((1, 28), (2, 0), (3, 2))]
    file = tmp_path / "train.rec"
    file.write_bytes(head[0] + header + b"abcd" + head[1] + head[2] + b"ef\0\0" + framed(packed([2], b"x", 1)))
    for index in ("0\t0\n1\t56\n", None):
        if index:
            (tmp_path / "train.idx").write_text(index)
        else:
            (tmp_path / "train.idx").unlink()
        found = RecordDataset(file)
        assert [found.encoded(0), found.encoded(1)] == [b"abcd" + MAGIC + MAGIC + b"ef", b"x"]
        assert list(found.identities) == ["2", "6"]
    assert file.read_bytes() == framed(packed([6], b"abcd" + MAGIC + MAGIC + b"ef", 0)) + framed(packed([2], b"x", 1))


@given(st.binary(max_size=40), st.lists(st.sampled_from([MAGIC, b"ab", b"abcd"]), max_size=6))
def test_any_payload_survives(tmp_path_factory: pytest.TempPathFactory, tail: bytes, parts: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("rec")
    payload = b"".join(parts) + tail + b"\1"
    found = RecordDataset(write(folder, {5: packed([3], payload, 5), 9: packed([1], b"end", 9)}))
    assert [found.encoded(0), found.encoded(1)] == [payload, b"end"]


def test_damage_is_named_with_its_place(tmp_path: Path) -> None:
    file = insightface(tmp_path)
    whole = file.read_bytes()
    third = int(file.with_suffix(".idx").read_text().splitlines()[3].split()[1])

    file.write_bytes(whole[: third + 100])
    with pytest.raises(
        TrainingDataError, match=rf"train\.rec: record 4 should be at byte \d+, but the file ends at byte {third + 100}"
    ):
        RecordDataset(file)
    index = file.with_suffix(".idx").read_text()
    file.with_suffix(".idx").unlink()
    with pytest.raises(
        TrainingDataError, match=rf"train\.rec: a record at byte {third} has \d+ bytes, but the file ends at byte"
    ):
        RecordDataset(file)

    file.with_suffix(".idx").write_text(index)
    file.write_bytes(whole[:third] + b"\0\0\0\0" + whole[third + 4 :])
    with pytest.raises(TrainingDataError, match=rf"record 3 at byte {third} does not begin with the magic number"):
        RecordDataset(file)
    image = third + 8 + 24  # where the crop begins
    file.write_bytes(whole[:image] + b"\0" * 40 + whole[image + 40 :])
    with pytest.raises(TrainingDataError, match=rf"record 3 at byte {third}"):
        RecordDataset(file).read(2)

    file.write_bytes(whole[:third] + MAGIC + (3 << 29 | 40).to_bytes(4, "little") + whole[third + 8 :])
    with pytest.raises(TrainingDataError, match=rf"record 3 at byte {third} has a part out of order"):
        RecordDataset(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\t0\nx\t9\n", r"train\.idx: line 2 is not a key and a byte"),
        ("0\n", r"train\.idx: line 1 is not a key and a byte"),
        ("1\t0\n1\t0\n", r"a key stands in it twice"),
        ("1\t99999\n", r"record 1 should be at byte 99999"),
        ("1\t4\n", r"record 1 at byte 4 does not begin"),
    ],
)
def test_an_index_that_does_not_fit_is_named(text: str, message: str, tmp_path: Path) -> None:
    file = write(tmp_path, {1: packed([0], png(crop(1)), 1)})
    file.with_suffix(".idx").write_text(text)
    with pytest.raises(TrainingDataError, match=message):
        RecordDataset(file)


def test_labels_and_property_are_held_against_each_other(tmp_path: Path) -> None:
    for label in (0.5, -1.0, float("nan"), float(1 << 24)):
        with pytest.raises(TrainingDataError, match="record 1 at byte 0 has the label"):
            RecordDataset(write(tmp_path, {1: packed([label], b"x", 1)}))
    file = write(tmp_path, {1: packed([5], b"x", 1)})
    (tmp_path / "property").write_text("5,112,112")
    with pytest.raises(TrainingDataError, match="promises 5 classes, but there is a label 5"):
        RecordDataset(file)
    (tmp_path / "property").write_text("6,96,112")
    with pytest.raises(TrainingDataError, match="112x96 pixels"):
        RecordDataset(file)
    (tmp_path / "property").unlink()
    file.write_bytes(b"")
    file.with_suffix(".idx").unlink()
    with pytest.raises(TrainingDataError, match=r"train\.rec: cannot be read"):
        RecordDataset(file)
    with pytest.raises(TrainingDataError, match="No such file"):
        open_dataset(tmp_path / "nowhere.rec")


@pytest.mark.parametrize("stop", [float("inf"), float("nan"), -1.0, 0.0])
def test_the_first_record_says_no_number(stop: float, tmp_path: Path) -> None:
    file = write(tmp_path, {0: packed([stop, 3.0], b"", 0), 1: packed([0], b"x", 1)})
    with pytest.raises(TrainingDataError, match="record 0 says that the crops end at"):
        RecordDataset(file)


@pytest.mark.parametrize("digits", ["²", "9" * 5000])
def test_digits_that_are_no_number(digits: str, tmp_path: Path) -> None:
    file = write(tmp_path, {1: packed([5], b"x", 1)})
    (tmp_path / "train.lst").write_text(f"{digits}\t0\tann.jpg\n1\t0\tbob.jpg\n", encoding="utf-8")
    assert RecordDataset(file).name(0) == "train.rec record 1 (bob.jpg)"
    (tmp_path / "property").write_text(f"{digits},112,112", encoding="utf-8")
    with pytest.raises(TrainingDataError, match="should hold classes,height,width"):
        RecordDataset(file)
