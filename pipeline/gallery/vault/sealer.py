"""What encrypts and decrypts one value of a gallery; `kept` does it for a connection.

A value is sealed with AES-256-GCM (NIST SP 800-38D) under a data key, with a random nonce of 96 bits:

    bytes: "KFV1" · id of the key (4 bytes) · nonce (12) · ciphertext · tag (16)
    text:  "kfv1:" · id of the key (8 hex digits) · ":" · base64 of nonce, ciphertext and tag

What is authenticated beside it is the vault's id, the column and the identity of the row: a value that is put into
another row, column or gallery cannot be opened. A name is found by HMAC-SHA-256 under another key (a blind index).
Both keys come from the data key by HKDF (RFC 5869). NIST allows 2^32 values under one key: `knownface vault rotate`
long before that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
KEY_ID_BYTES = 4
NAME, SOURCE, CROP, VECTOR = "subjects.name", "samples.source", "samples.crop", "templates.vector"
EVIDENCE, GIVEN_BY, REASON = "consent.evidence", "consent.given_by", "holds.reason"
DOCUMENT, RIGHTS = "documents.body", "subjects.rights"
_MAGIC, _TEXT_MAGIC = b"KFV1", "kfv1:"
_NONCE = 12
_HEAD = len(_MAGIC) + KEY_ID_BYTES
OVERHEAD = _HEAD + _NONCE + 16
"""Bytes that a sealed value is longer than what is in it."""
Row = TypeVar("Row")
Value = TypeVar("Value", bytes, str)


class Listing:
    """Rows in the order of their names, kept while the gallery stays as it is: the database cannot order them."""

    def __init__(self) -> None:
        self._kept: tuple[object, list[Any]] = (None, [])

    def of(self, state: object, rows: Callable[[], list[Row]]) -> list[Row]:
        """The rows of a state of the gallery; read where another one is kept."""
        known, found = self._kept
        if known != state:
            found = rows()
            self._kept = state, found
        return found


class SealError(Exception):
    """A value cannot be opened: it was altered, belongs elsewhere, or is not sealed."""


@dataclass(frozen=True)
class Sealer:
    """The data keys of a gallery, in the open.

    Attributes:
        vault_id: Of the gallery's vault; stays when a backup is restored.
        key_id: The key that seals, 8 hex digits.
        data_keys: The keys that open, by id.
        accepts_plain: While a gallery is being encrypted, a value may be as it was.
        binds_rights: Every subject has a seal over its consents and its hold; none may be missing.
    """

    vault_id: str
    key_id: str
    data_keys: Mapping[str, bytes] = field(repr=False)
    accepts_plain: bool = False
    binds_rights: bool = False

    @cached_property
    def listing(self) -> Listing:
        """The names of one state of the gallery, in order."""
        return Listing()

    @cached_property
    def prefix(self) -> bytes:
        """What bytes that are sealed with the current key begin with."""
        return _MAGIC + bytes.fromhex(self.key_id)

    @cached_property
    def text_prefix(self) -> str:
        """What a text that is sealed with the current key begins with."""
        return f"{_TEXT_MAGIC}{self.key_id}:"

    @cached_property
    def _ciphers(self) -> dict[str, AESGCM]:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 30 ms

        return {key_id: AESGCM(derived(key, b"knownface values 1")) for key_id, key in self.data_keys.items()}

    @cached_property
    def _name_key(self) -> bytes:
        return derived(self.data_keys[self.key_id], b"knownface names 1")

    def blind(self, name: str) -> str:
        """What a name is found by: HMAC-SHA-256 in hex."""
        return hmac.new(self._name_key, name.encode(), hashlib.sha256).hexdigest()

    def seal(self, plain: bytes, column: str, identity: str) -> bytes:
        """Encrypts bytes for one column of one row."""
        nonce = os.urandom(_NONCE)
        return self.prefix + nonce + self._ciphers[self.key_id].encrypt(nonce, plain, self._bound(column, identity))

    def open(self, sealed: bytes, column: str, identity: str) -> bytes:
        """Decrypts what `seal` made for this column and row.

        Raises:
            SealError: It is another's, was altered, or is under a key that is gone.
        """
        if not sealed.startswith(_MAGIC):
            return self._plain(sealed)
        return self._opened(sealed[4:_HEAD].hex(), sealed[_HEAD:], column, identity)

    def open_into(self, sealed: memoryview, room: memoryview, column: str, identity: str) -> None:
        """As `open`, of a large value, into memory that is there; other threads of the interpreter go on meanwhile.

        Args:
            sealed: What `seal` made.
            room: `OVERHEAD` bytes less; what is in it where this raises is nothing to go by.
            column: As in `open`.
            identity: As in `open`.

        Raises:
            SealError: As `open`; or it is not encrypted.
        """
        head = bytes(sealed[:_HEAD])
        if not head.startswith(_MAGIC):
            raise SealError("is not encrypted")
        nonce, body = sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :]
        cipher = self._cipher(head[len(_MAGIC) :].hex())
        try:
            cipher.decrypt_into(nonce, body, self._bound(column, identity), room)
        except (_invalid_tag(), ValueError) as error:
            raise SealError("was altered, or belongs elsewhere") from error

    def seal_text(self, plain: str, column: str, identity: str) -> str:
        """Encrypts a text for one column of one row."""
        return self.text_prefix + base64.b64encode(self.seal(_utf8(plain), column, identity)[_HEAD:]).decode()

    def seal_same(self, plain: bytes, column: str) -> bytes:
        """Encrypts bytes that a row is found by: the same bytes of one column always become the same.

        The nonce is the beginning of an HMAC-SHA-256 of column and bytes, in place of a random one (a synthetic nonce,
        as in RFC 5297 and RFC 8452). Equal values can be told to be equal, and nothing else. The identity is "".
        """
        made = hmac.new(self._name_key, f"{column}\0".encode() + plain, hashlib.sha256).digest()[:_NONCE]
        return self.prefix + made + self._ciphers[self.key_id].encrypt(made, plain, self._bound(column, ""))

    def seal_same_text(self, plain: str, column: str) -> str:
        """As `seal_same`, for a text."""
        return self.text_prefix + base64.b64encode(self.seal_same(_utf8(plain), column)[_HEAD:]).decode()

    def open_text(self, sealed: str, column: str, identity: str) -> str:
        """Decrypts what `seal_text` made. Errors as `open`."""
        if not sealed.startswith(_TEXT_MAGIC):
            return self._plain(sealed)
        key_id, _, body = sealed[len(_TEXT_MAGIC) :].partition(":")
        try:
            spelt = body.encode("ascii")
            raw = binascii.a2b_base64(spelt, strict_mode=True)
        except (binascii.Error, ValueError) as error:
            raise SealError("was altered") from error
        if binascii.b2a_base64(raw, newline=False) != spelt:  # other spellings of the same bytes
            raise SealError("was altered")
        return self._opened(key_id, raw, column, identity).decode(errors="surrogateescape")

    def _opened(self, key_id: str, raw: bytes, column: str, identity: str) -> bytes:
        cipher = self._cipher(key_id)
        try:
            return cipher.decrypt(raw[:_NONCE], raw[_NONCE:], self._bound(column, identity))
        except (_invalid_tag(), ValueError) as error:  # asked for only where something is raised
            raise SealError("was altered, or belongs elsewhere") from error

    def _cipher(self, key_id: str) -> AESGCM:
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealError("is under a key that the gallery does not have")
        return cipher

    def _plain(self, value: Value) -> Value:
        if not self.accepts_plain:
            raise SealError("is not encrypted")
        return value

    def _bound(self, column: str, identity: str) -> bytes:
        return f"{self.vault_id}\0{column}\0{identity}".encode()


def _invalid_tag() -> type[Exception]:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415

    return InvalidTag


def _utf8(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def derived(key: bytes, purpose: bytes) -> bytes:
    """Another key of 32 bytes from one, for one purpose: HKDF with SHA-256 (RFC 5869)."""
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(SHA256(), KEY_BYTES, None, purpose).derive(key)


def is_sealed(text: str) -> bool:
    """Whether a text looks as if it were sealed, under whatever key."""
    return text.startswith(_TEXT_MAGIC)
