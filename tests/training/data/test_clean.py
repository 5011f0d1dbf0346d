from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import training.data.clean
from pipeline.errors import TrainingDataError
from tests.training.data.shards import crop, png
from training.data.clean import centres_of, cleaned, find_noise, find_overlap, find_repeats, to_remove
from training.data.folder import FolderDataset
from training.data.open import open_dataset
from training.data.shard_writer import encode_crop


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.data.clean, "_ROWS", 7)


def people(count: int, each: int, seed: int = 0, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((count, 64))
    labels = rng.permutation(np.repeat(np.arange(count), each))
    rows = means[labels] + spread * rng.standard_normal((len(labels), 64))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def test_repeats_are_what_comparing_all_pairs_gives() -> None:
    vectors, labels = people(9, 4)
    expected, dropped = [], set()
    for sample in range(len(vectors)):
        for earlier in range(sample):
            score = float(sum(float(a) * float(b) for a, b in zip(vectors[sample], vectors[earlier], strict=True)))
            if score < 0.93 or sample in dropped or earlier in dropped:
                continue
            same = labels[sample] == labels[earlier]
            expected.append(("duplicate" if same else "conflict", sample, earlier))
            dropped |= {sample} if same else set()
    assert 3 < len(expected) < 36
    assert [(one.kind, one.sample, one.other) for one in find_repeats(vectors, labels, 0.93)] == expected


def test_of_a_picture_that_is_there_thrice_one_stays_and_a_wrong_name_is_a_conflict() -> None:
    vectors, labels = people(5, 4)
    vectors = np.concatenate([vectors, vectors[[3, 3, 0]]])
    labels = np.concatenate([labels, [labels[3], labels[3], (labels[0] + 1) % 5]])
    found = find_repeats(vectors, labels, 0.9999)
    assert [(one.kind, one.sample, one.other) for one in found] == [
        ("duplicate", 20, 3),
        ("duplicate", 21, 3),
        ("conflict", 22, 0),
    ]
    assert to_remove(found, vectors, labels, 5) == {20, 21, 22}  # 0 is like its own people, 22 is not


def test_noise_is_far_from_the_others_of_its_identity() -> None:
    vectors, labels = people(6, 5)
    wrong = [int(np.flatnonzero(labels == 0)[0]), int(np.flatnonzero(labels == 1)[0])]
    labels = labels.copy()
    labels[wrong] = [3, 4]
    stranger = np.random.default_rng(9).standard_normal((1, 64)).astype(np.float32)
    vectors = np.concatenate([vectors, stranger / np.linalg.norm(stranger)])
    labels = np.append(labels, 5)
    found = find_noise(vectors, labels, 7, 0.5)
    assert {(one.sample, one.other) for one in found} == {(wrong[0], 0), (wrong[1], 1), (30, -1)}
    assert [one.score for one in found] == sorted(one.score for one in found)
    one = found[0]
    rest = vectors[[i for i in np.flatnonzero(labels == labels[one.sample]) if i != one.sample]].sum(axis=0)
    assert one.score == pytest.approx(float(vectors[one.sample] @ rest / np.linalg.norm(rest)), abs=1e-5)
    two = np.array([0, 0, 1, 1, 1])
    assert {find.sample for find in find_noise(vectors[:5], two, 2, 1.1)} == {2, 3, 4}  # two samples have no centre


def test_overlap_is_found_by_the_crops_of_both() -> None:
    vectors, labels = people(12, 4, spread=0.4)
    mine = labels < 8
    others, other_labels = vectors[labels >= 5][::2], labels[labels >= 5][::2] - 5
    found = find_overlap((vectors[mine], labels[mine]), (others, other_labels), 0.5)
    assert sorted((labels[mine][one.sample], one.other) for one in found) == [(5, 0), (6, 1), (7, 2)]
    for one in found:
        ours = vectors[mine][labels[mine] == labels[mine][one.sample]]
        assert one.score == pytest.approx(float(np.median(ours @ others[other_labels == one.other].T)), abs=1e-6)
    assert one.sample == np.flatnonzero(labels[mine] == labels[mine][one.sample])[0]
    gone = to_remove(found, vectors[mine], labels[mine], 8)
    assert gone == set(np.flatnonzero(np.isin(labels[mine], [5, 6, 7])).tolist())


def test_identities_without_samples_have_no_centre() -> None:
    vectors, labels = people(2, 3)
    centres = centres_of(vectors, labels * 2, 4)
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), [1, 0, 1, 0], atol=1e-6)


def test_a_cleaned_set_is_a_new_one_with_the_same_pixels(tmp_path: Path) -> None:
    source = tmp_path / "set"
    for value, name in enumerate(("a/1", "a/2", "b/1", "c/1", "c/2")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / f"{name}.png").write_bytes(png(crop(value)))
    dataset = FolderDataset(source)
    shards = list(cleaned(dataset, {1, 2}, tmp_path / "new", shard=2))
    assert [shard.name for shard in shards] == ["shard-000000.tar", "shard-000001.tar"]
    found = open_dataset(tmp_path / "new")
    assert list(found.identities) == ["a", "c"]
    assert [found.name(i) for i in range(len(found))] == ["a/1.png", "c/1.png", "c/2.png"]
    for index, value in enumerate((0, 3, 4)):
        np.testing.assert_array_equal(found.read(index), crop(value))
    assert len(dataset) == len(FolderDataset(source)) == 5
    with pytest.raises(TrainingDataError, match="is not empty"):
        list(cleaned(dataset, set(), tmp_path / "new"))
    again = list(cleaned(found, {0}, tmp_path / "newer"))  # from shards to shards
    np.testing.assert_array_equal(open_dataset(again[0]).read(1), crop(4))


def test_jpegs_are_copied_not_compressed_again(tmp_path: Path) -> None:
    jpeg = encode_crop(crop(7), "jpg")
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "a" / "1.jpeg").write_bytes(jpeg)
    (shard,) = cleaned(FolderDataset(tmp_path / "set"), set(), tmp_path / "new")
    assert open_dataset(shard).encoded(0) == jpeg
