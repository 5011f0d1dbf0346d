from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import TrainingDataError
from tests.training.data.shards import crc32c, crop, example, png, tf_frame
from training.data.open import open_dataset
from training.data.tfrecord import TFRecordDataset

IMAGES = [png(crop(value)) for value in range(4)]


def record(number: int, label: bytes | int, *, image: str = "image/encoded", name: str = "label") -> bytes:
    return tf_frame(example({"height": 112, image: IMAGES[number], name: label}))


def read_all(file: Path) -> None:
    dataset = TFRecordDataset([file])
    for index in range(len(dataset)):
        dataset.read(index)


def test_the_checksum_is_the_published_one() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, B.4, and everybody's check value


def test_shards_written_by_hand_are_read(tmp_path: Path) -> None:
    (tmp_path / "faces.tfrecord-00000-of-00002").write_bytes(record(0, 300) + record(1, 7))
    (tmp_path / "faces.tfrecord-00001-of-00002").write_bytes(record(2, 300))
    found = open_dataset(tmp_path)
    assert isinstance(found, TFRecordDataset)
    assert list(found.identities) == ["7", "300"]
    assert found.labels.tolist() == [1, 0, 1]
    for index in range(3):
        np.testing.assert_array_equal(found.read(index), crop(index))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).read(2), crop(2))  # noqa: S301 - as it goes to a worker
    assert found.name(0) == "faces.tfrecord-00000-of-00002 at byte 0"


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    from tfrecord.writer import TFRecordWriter

    file = tmp_path / "a.tfrecord"
    writer = TFRecordWriter(str(file))
    for number, who in ((0, b"bob"), (1, b"ann"), (2, b"bob")):
        writer.write({"jpg_data": (IMAGES[number], "byte"), "who": (who, "byte")})
    writer.close()
    with pytest.raises(
        TrainingDataError, match=r"record at byte 0 has the features jpg_data, who: name one with data\.image_feature"
    ):
        open_dataset(file)
    found = open_dataset(file, image_feature="jpg_data", label_feature="who")
    assert list(found.identities) == ["ann", "bob"]
    assert found.labels.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(found.read(1), crop(1))


def test_damage_is_named_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "a.tfrecord"
    first, second = record(0, 1), record(1, 2)
    start = len(first)
    for cut in (start + 5, start + 12, start + len(second) - 1):
        file.write_bytes((first + second)[:cut])
        with pytest.raises(TrainingDataError, match=rf"a\.tfrecord: .* at byte {start} .*truncated"):
            TFRecordDataset([file])
    damaged = bytearray(first + second)
    damaged[start + 40] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(TrainingDataError, match=rf"record at byte {start}: its data does not have its checksum"):
        TFRecordDataset([file])
    damaged = bytearray(first + second)
    damaged[start + 1] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(TrainingDataError, match=rf"the length at byte {start} does not have its checksum"):
        TFRecordDataset([file])

    file.write_bytes(first + second)
    found = TFRecordDataset([file])
    damaged = bytearray(first + second)
    damaged[start + 40] ^= 1
    file.write_bytes(damaged)  # after it was opened
    with pytest.raises(TrainingDataError, match=rf"record at byte {start}: its data does not have its checksum"):
        found.read(1)
    file.write_bytes(first)
    with pytest.raises(TrainingDataError, match="truncated"):
        found.read(1)


def test_records_that_are_no_crops_are_named(tmp_path: Path) -> None:
    file = tmp_path / "a.tfrecord"
    for data, message in (
        (tf_frame(b"\xff\xff\xff"), "record at byte 0 is no tf.Example"),
        (tf_frame(example({"image/encoded": b"x"})), "name one with data.label_feature"),
        (record(0, 1) + tf_frame(example({"label": 1})), "no feature 'image/encoded'"),
        (record(0, 1) + tf_frame(example({"image/encoded": IMAGES[0]})), "has no feature 'label'"),
        (b"", "hold no record"),
        (b"\0" * 64, "does not have its checksum"),
    ):
        file.write_bytes(data)
        with pytest.raises(TrainingDataError, match=message):
            read_all(file)
