"""A sealed value opens in its own place only, and no byte of it may differ."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from gallery_samples import probe_of
from hypothesis import assume, given
from hypothesis import strategies as st
from vault_samples import KEY, NAMES, OTHER, fill, opened

from pipeline.errors import GalleryDamagedError
from pipeline.gallery.vault.sealer import NAME, SOURCE, VECTOR, Sealer, SealError
from pipeline.gallery.vault.state import new_vault

SEALER = Sealer("v" * 32, "00112233", {"00112233": b"k" * 32, "44556677": b"l" * 32})
IDENTITIES = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
PLACES = st.tuples(st.sampled_from([NAME, SOURCE, VECTOR]), IDENTITIES)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(st.binary(max_size=300), TEXTS, PLACES)
def test_what_is_sealed_opens_again(data, text, place):
    sealed = SEALER.seal(data, *place)
    assert SEALER.open(sealed, *place) == data
    assert sealed.startswith(SEALER.prefix)
    assert len(sealed) == len(data) + 36
    assert len(data) < 5 or data not in sealed
    assert SEALER.open_text(SEALER.seal_text(text, *place), *place) == text
    assert SEALER.seal(data, *place) != sealed, "a nonce of its own"


def test_a_path_that_is_no_text_comes_back():
    path = b"photos/\xff\xfe.jpg".decode(errors="surrogateescape")
    assert SEALER.open_text(SEALER.seal_text(path, SOURCE, "1"), SOURCE, "1") == path


@given(st.binary(max_size=60), PLACES, PLACES)
def test_it_does_not_open_elsewhere(data, place, other):
    assume(place != other)
    sealed, text = SEALER.seal(data, *place), SEALER.seal_text(data.hex(), *place)
    elsewhere = Sealer("w" * 32, SEALER.key_id, SEALER.data_keys)
    under_another = Sealer(SEALER.vault_id, "44556677", {"00112233": b"l" * 32, "44556677": b"k" * 32})
    for sealer, where in ((SEALER, other), (elsewhere, place), (under_another, place)):
        with pytest.raises(SealError, match="altered"):
            sealer.open(sealed, *where)
        with pytest.raises(SealError, match="altered"):
            sealer.open_text(text, *where)


@given(st.binary(min_size=1, max_size=60), PLACES, st.data())
def test_no_bit_may_differ(data, place, draw):
    sealed = bytearray(SEALER.seal(data, *place))
    whole = bytes(sealed)
    sealed[draw.draw(st.integers(0, len(sealed) - 1))] ^= 1 << draw.draw(st.integers(0, 7))
    with pytest.raises(SealError):
        SEALER.open(bytes(sealed), *place)
    with pytest.raises(SealError):
        SEALER.open(whole[: draw.draw(st.integers(0, len(whole) - 1))], *place)


@given(PLACES, st.data())
def test_no_character_of_a_text_may_differ(place, draw):
    sealed = SEALER.seal_text("Ada Lovelace", *place)
    position = draw.draw(st.integers(0, len(sealed) - 1))
    changed = draw.draw(st.sampled_from("AbZ09+/=:x\nß"))
    assume(sealed[position] != changed)
    with pytest.raises(SealError):
        SEALER.open_text(sealed[:position] + changed + sealed[position + 1 :], *place)


def test_a_name_is_found_by_what_says_nothing_about_it():
    assert SEALER.blind("Ada") == SEALER.blind("Ada")
    assert len({SEALER.blind(name) for name in ("Ada", "ada", "Ada ", "Ade")}) == 4
    other = Sealer(SEALER.vault_id, "44556677", SEALER.data_keys)
    assert other.blind("Ada") != SEALER.blind("Ada")


def test_wrapped_keys_open_with_their_master_key_only():
    vault = new_vault(KEY)
    sealed = vault.sealer(KEY).seal(b"data", NAME, "1")
    again = vault.with_new_key(KEY, "rotating")
    assert again.sealer(KEY).open(sealed, NAME, "1") == b"data"
    with pytest.raises(SealError, match="key that the gallery does not have"):
        again.with_current_key_only(KEY, "on").sealer(KEY).open(sealed, NAME, "1")
    moved = vault.under(KEY, OTHER)
    assert moved.sealer(OTHER).open(sealed, NAME, "1") == b"data"
    for wrong, key in ((vault, OTHER), (moved, KEY)):
        with pytest.raises(GalleryDamagedError, match="altered"):
            wrong.sealer(key)
    assert KEY.text not in repr((KEY, vault.sealer(KEY), vault))


SWAPS = {
    "names": ("subjects", "folded"),
    "photos": ("samples", "source"),
    "crops": ("samples", "crop"),
    "vectors": ("templates", "vector"),
    "evidence": ("consent", "evidence"),
}


@pytest.mark.parametrize("what", SWAPS)
def test_values_of_two_rows_that_are_swapped_are_found(tmp_path, what):
    table, column = SWAPS[what]
    with opened(tmp_path / "g") as gallery:
        fill(gallery)
        gallery.vault().init(KEY)
    with closing(sqlite3.connect(tmp_path / "g" / "gallery.db")) as database, database:
        rows = dict(database.execute(f"SELECT id, {column} FROM {table} WHERE id IN (1, 4)"))  # noqa: S608
        for row, other in ((1, 4), (4, 1)):
            database.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (rows[other], row))  # noqa: S608
    with opened(tmp_path / "g") as gallery:
        if what == "vectors":  # nobody is taken for somebody else: the two are left out
            found = gallery.search(probe_of(f"{NAMES[0]} 0", f"{NAMES[1]} 0", f"{NAMES[1]} 1"))
            assert [bool(one.scores[0] > 0.99) for one in found] == [False, False, True]
            assert {problem.kind for problem in gallery.check()} == {"bad_vector"}
        with pytest.raises(GalleryDamagedError, match=rf"{table}\.({column}|name)"):
            [(gallery.export(info.name), gallery.consents(info.name)) for info in gallery.subjects()]
