from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import TrainingDataError
from tests.training.data.shards import TAR_END, crop, png, tar_member
from training.data.open import open_dataset
from training.data.tar import TarDataset


def sample(key: str, value: int, **labels: bytes) -> bytes:
    return tar_member(f"{key}.png", png(crop(value))) + b"".join(
        tar_member(f"{key}.{suffix}", data) for suffix, data in labels.items()
    )


def test_shards_written_by_hand_are_read(tmp_path: Path) -> None:
    (tmp_path / "a-0.tar").write_bytes(sample("x/000", 1, cls=b"12") + sample("x/001", 2, cls=b"5\n") + TAR_END)
    (tmp_path / "a-1.tar").write_bytes(
        tar_member("000.cls", b"12")
        + tar_member("000.jpg.txt", b"a note")
        + tar_member("000.png", png(crop(3)))
        + TAR_END
    )
    found = open_dataset(tmp_path)
    assert isinstance(found, TarDataset)
    assert list(found.identities) == ["5", "12"]
    assert found.labels.tolist() == [1, 0, 1]
    for index in range(3):
        np.testing.assert_array_equal(found.read(index), crop(index + 1))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).read(2), crop(3))  # noqa: S301 - as it goes to a worker
    assert found.name(0) == "a-0.tar at byte 512"


def test_what_the_library_writes_is_read_and_pickles_in_it_are_not(tmp_path: Path) -> None:
    import webdataset

    with webdataset.TarWriter(str(tmp_path / "a.tar")) as writer:
        for value, who in ((1, "bob"), (2, "ann")):
            writer.write(
                {
                    "__key__": f"{value:06d}",
                    "png": png(crop(value)),
                    "json": {"identity": who, "n": [1]},
                    "pyd": {"anything": 1},
                }
            )
    found = TarDataset([tmp_path / "a.tar"])
    assert list(found.identities) == ["ann", "bob"]
    assert found.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(found.read(0), crop(1))

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "b.tar").write_bytes(
        sample("0", 1, cls=b"1", pyd=pickle.dumps(Trap()), pkl=pickle.dumps(Trap()), pickle=pickle.dumps(Trap()))
        + TAR_END
    )
    assert TarDataset([tmp_path / "b.tar"]).read(0).shape == (112, 112, 3)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(pickle.dumps(Trap()))  # noqa: S301 - to see that the trap works
    assert (tmp_path / "sprung").exists()  # it would have


def test_damage_is_named_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "a.tar"
    first, second = sample("0", 1, cls=b"1"), sample("1", 2, cls=b"2")
    start = len(first)
    for cut, place in (
        (start + 100, f"byte {start}"),  # in a header
        (start + 900, f"byte {start + 512}"),  # in a crop
        (start, f"byte {start}"),  # between two members
        (start + len(second), f"byte {start + len(second)}"),  # nothing but the end is missing
    ):
        file.write_bytes((first + second)[:cut])
        with pytest.raises(TrainingDataError, match=r"a\.tar: .*(truncated|damaged)") as caught:
            TarDataset([file])
        assert place in str(caught.value)
    whole = bytearray(first + second + TAR_END)
    whole[start + 10] ^= 255  # the checksum of the second header
    file.write_bytes(whole)
    with pytest.raises(TrainingDataError, match=rf"a\.tar: at byte {start} stands neither"):
        TarDataset([file])
    whole = bytearray(first + second + TAR_END)
    whole[start + 700 : start + 760] = b"\0" * 60
    file.write_bytes(whole)
    found = TarDataset([file])
    with pytest.raises(TrainingDataError, match=rf"a\.tar: the crop at byte {start + 512}"):
        found.read(1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no tar file"),
        (b"\x1f\x8b" + b"\0" * 2000, "no tar file"),
        (TAR_END, "hold no crop"),
        (sample("0", 1) + TAR_END, "hold no crop"),
        (sample("0", 1, cls=b"x") + TAR_END, r"0\.cls at byte \d+: is no whole number"),
        (sample("0", 1, json=b"{") + TAR_END, r"0\.json at byte \d+: is no JSON"),
        (sample("0", 1, json=b"[" * 200_000) + TAR_END, r"0\.json at byte \d+: is no JSON"),
        (sample("0", 1, json=b'{"label": 1%s}' % (b"0" * 30)) + TAR_END, r"0\.json at byte \d+: .* 64 bits"),
        (sample("0", 1, cls=b"9" * 30) + TAR_END, r"0\.cls at byte \d+: .* 64 bits"),
        (sample("0", 1, json=json.dumps([1]).encode()) + TAR_END, "hold no crop"),
    ],
)
def test_what_cannot_be_used_is_named(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(TrainingDataError, match=message):
        open_dataset(tmp_path)


def test_two_kinds_in_one_folder_are_not_guessed_between(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(TAR_END)
    (tmp_path / "a.rec").write_bytes(b"")
    with pytest.raises(TrainingDataError, match="holds RecordIO and tar files"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("said", [{"GNU.sparse.map": "a,b"}, {"size": "-512"}, {"size": "9" * 30}])
def test_an_extended_header_that_cannot_be(said: dict[str, str], tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data, headers in (("0.png", png(crop(1)), said), ("0.cls", b"1", {})):
            member = tarfile.TarInfo(name)
            member.size, member.pax_headers = len(data), headers
            tar.addfile(member, io.BytesIO(data))
    with pytest.raises(TrainingDataError, match=r"a\.tar: .*damaged|a\.tar: .* truncated"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("place", ["1e400, 5", "0.5, 5", f"{10**30}, 5", f"512, {10**15}", "512, -1", "-5, 5"])
def test_an_index_that_points_out_of_its_shard(place: str, tmp_path: Path) -> None:
    size = (tmp_path / "a.tar").write_bytes(sample("0", 1, cls=b"1") + TAR_END)
    text = f'{{"format": "knownface-shard-1", "size": {size}, "failed": [], "samples": [[{place}, "ann", "a.jpg"]]}}'
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(TrainingDataError, match=r"a\.json: is no index of a shard"):
        open_dataset(tmp_path)


def test_an_index_without_end(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(sample("0", 1, cls=b"1") + TAR_END)
    (tmp_path / "a.json").write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(TrainingDataError, match=r"a\.json: is no JSON"):
        open_dataset(tmp_path)
