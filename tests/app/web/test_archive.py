"""Zips of photos: listed, limited, and never unpacked to disk."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.web.archive import members
from pipeline.errors import FetchError, PhotoDamagedError, PhotoFormatError, PhotoTooLargeError, PhotoUnreadableError
from pipeline.weights.files import unpack_zip
from tests.app.web.conftest import Page, photo, seen
from tests.fakes import BLUE, RED


class Zip(io.BytesIO):
    """A zip as Streamlit hands it over."""

    file_id, name = "z", "photos.zip"


def packed(**contents: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return stream.getvalue()


def test_photos_are_listed_by_suffix_and_read_one_by_one() -> None:
    names = {"a.jpg": b"1", "deep/B.PNG": b"22", "notes.txt": b"3", ".hidden.jpg": b"4", "__MACOSX/._a.jpg": b"5"}
    found = list(members(Zip(packed(**names)), 100))
    assert [member.name for member in found] == ["a.jpg", "deep/B.PNG"]
    assert [member.getvalue() for member in found] == [b"1", b"22"]
    assert len({member.file_id for member in found}) == 2


def test_the_list_of_contents_is_read_once_for_all_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a zip of 900 kB with 10,000 photos keeps a thread busy for an hour and more."""
    read: list[zipfile.ZipFile] = []
    whole = zipfile.ZipFile._RealGetContents  # type: ignore[attr-defined]

    def noted(made: zipfile.ZipFile) -> None:
        read.append(made)
        whole(made)

    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", noted)
    archive = Zip(packed(**{f"{number}.jpg": b"%d" % number for number in range(50)}))
    read.clear()
    assert [member.getvalue() for member in members(archive, 100)] == [b"%d" % number for number in range(50)]
    assert len(read) == 1


def test_a_name_that_climbs_out_is_only_a_name() -> None:
    (member,) = members(Zip(packed(**{"../../etc/x.jpg": b"1"})), 100)
    assert member.name == "../../etc/x.jpg"
    assert member.getvalue() == b"1"


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked() -> None:
    (member,) = members(Zip(packed(**{"bomb.jpg": bytes(10_000_000)})), 1000)
    with pytest.raises(PhotoTooLargeError, match=r"bomb\.jpg"):
        member.getvalue()


def test_a_size_that_lies_gives_no_more_than_it_says() -> None:
    data = packed(**{"bomb.jpg": bytes(1_000_000)})
    lying = data.replace(struct.pack("<L", 1_000_000), struct.pack("<L", 10))
    (member,) = members(Zip(lying), 1000)
    assert member.size == 10
    with pytest.raises(PhotoDamagedError):
        member.getvalue()


def test_a_bomb_is_not_unpacked_beyond_the_size_it_claims() -> None:
    """Claims 10 bytes, with the checksum of these 10, and unpacks to 50 MB."""
    data = packed(**{"bomb.jpg": bytes(50_000_000)})
    lying = data.replace(struct.pack("<L", 50_000_000), struct.pack("<L", 10))
    lying = lying.replace(struct.pack("<L", zlib.crc32(bytes(50_000_000))), struct.pack("<L", zlib.crc32(bytes(10))))
    (member,) = members(Zip(lying), 1000)
    tracemalloc.start()
    try:
        assert member.getvalue() == bytes(10)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_more_than_was_claimed_is_refused() -> None:
    (member,) = members(Zip(packed(**{"a.jpg": b"12345"})), 100)
    assert replace(member, size=5).getvalue() == b"12345"
    with pytest.raises(PhotoDamagedError, match=r"a\.jpg"):
        replace(member, size=4).getvalue()


def test_large_photos_come_out_whole() -> None:
    data = bytes(range(256)) * 1000
    (member,) = members(Zip(packed(**{"a.jpg": data})), len(data))
    assert member.getvalue() == data


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_unpacks_without_bounds_is_not_unpacked(method: int) -> None:
    stream = Zip()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("a.jpg", bytes(1000))
    (member,) = members(stream, 10_000)
    with pytest.raises(PhotoUnreadableError, match=r"a\.jpg"):
        member.getvalue()


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all" * 99, packed(**{"a.jpg": b"1"})[:-30]])
def test_what_is_no_zip_is_a_named_error(data: bytes) -> None:
    with pytest.raises(PhotoFormatError, match=r"photos\.zip"):
        list(members(Zip(data), 100))


def test_a_list_that_would_fill_the_memory_is_refused_unread() -> None:
    data = bytearray(packed(**{"a.jpg": b"1"}))
    data[-10:-6] = struct.pack("<L", 100_000_000)
    with pytest.raises(PhotoTooLargeError, match="too many files"):
        list(members(Zip(bytes(data)), 100))
    end = packed(**{"a.jpg": b"1"})
    with pytest.raises(PhotoTooLargeError, match="too many files"):
        list(members(Zip(end[:-22] + b"PK\x06\x07" + bytes(16) + end[-22:]), 100))


def test_an_encrypted_photo_is_a_named_error() -> None:
    data = bytearray(packed(**{"a.jpg": b"1"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + offset] |= 1
    (member,) = members(Zip(bytes(data)), 100)
    with pytest.raises(PhotoUnreadableError, match=r"a\.jpg"):
        member.getvalue()


def test_a_zip_on_the_identify_page(page: Page, enrolled: Callable) -> None:
    enrolled("Ada", RED)
    inside = {f"{number:03}.png": photo(RED if number else BLUE, note=number + 1)[1] for number in range(3)}
    at = page("identify")
    files = [("all.zip", packed(**inside, **{"bad.jpg": b"no photo"}), "application/zip"), photo(RED, note=9)]
    at.file_uploader[0].set_value([*files, ("none.zip", packed(**{"a.txt": b""}), "application/zip")])
    at.run()
    assert not at.exception
    assert "5 photos: 3 named, 1 unknown, 1 without a result" in seen(at)
    assert "none.zip: holds no photos." in seen(at)
    at.file_uploader[0].set_value([("broken.zip", b"PK", "application/zip")])
    assert "broken.zip: is not a zip" in seen(at.run())


def test_a_file_without_a_name_is_left_out(tmp_path: Path) -> None:
    data = packed(**{"x": b"1", "a.jpg": b"2"})
    at = data.index(b"PK\1\2")
    entry = data[at : at + 46]
    size = struct.unpack_from("<L", data, data.index(b"PK\5\6") + 12)[0]
    record = bytearray(data[data.index(b"PK\5\6") :])
    struct.pack_into("<L", record, 12, size - 1)
    nameless = data[:at] + entry[:28] + b"\0\0" + entry[30:] + data[at + 47 : data.index(b"PK\5\6")] + bytes(record)
    assert zipfile.ZipFile(Zip(nameless)).namelist() == ["", "a.jpg"]
    assert [member.getvalue() for member in members(Zip(nameless), 100)] == [b"2"]
    folder = tmp_path / "into"
    folder.mkdir()
    (tmp_path / "m.zip").write_bytes(nameless)
    with pytest.raises(FetchError, match="refused"):
        unpack_zip(tmp_path / "m.zip", folder, (".onnx",))
