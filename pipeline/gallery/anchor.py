"""What holds the end of the audit's chain, from outside the gallery: a key that signs it, and a note of where it was.

Both lie in the user's data folder. The signature (Ed25519, RFC 8032) lets nobody without the key say where the chain
ends. The note, one file for each gallery, says how far this machine has seen it: an older copy of the whole gallery,
with the signature it had then, is found by it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError
from pipeline.gallery import private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FOLDER = "audit"
KEY = "key.pem"
TRUSTED = "trusted"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class End:
    """Where a chain ends.

    Attributes:
        chain_id: Which chain.
        entries: How many entries it has.
        last_hash: The hash of the last one; zeros where there is none.
    """

    chain_id: str
    entries: int
    last_hash: str

    def message(self) -> bytes:
        """What is signed."""
        return json.dumps(["knownface audit 1", self.chain_id, self.entries, self.last_hash]).encode()


@dataclass(frozen=True, slots=True)
class Signature:
    """Who has signed an end, and the signature in hex; both are "" where nobody has."""

    key_id: str
    value: str


class Anchor:
    """Key and notes of one data folder; made when the first entry is written.

    Args:
        home: The user's data folder.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER
        self.signed_last: End | None = None
        self._warned: set[str] = set()

    @property
    def key_file(self) -> Path:
        """The private key."""
        return self.folder / KEY

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - 30 ms
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

        file = self.key_file
        try:
            if not file.exists():
                self._make_key()
            if private.others_may(file, private.READ):
                raise ConfigError(f"{file}: others may read the key that signs the audit log: chmod 600 {file}")
            key = load_pem_private_key(file.read_bytes(), None)
        except OSError as error:
            raise ConfigError(f"{file}: the key that signs the audit log cannot be used ({error.strerror})") from error
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{file}: is no key in PEM without a password: put the right one back") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(f"{file}: is no Ed25519 key: put the right one back")
        return key

    def _make_key(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        private.make_folder(self.folder)
        temporary = self.folder / f"{KEY}.{os.getpid()}.tmp"
        private.new_file(temporary)
        try:
            pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            with temporary.open("wb") as out:
                out.write(pem)
                out.flush()
                os.fsync(out.fileno())
            with suppress(FileExistsError):  # another process was first: its key is the one
                os.link(temporary, self.key_file)
        finally:
            temporary.unlink(missing_ok=True)

    def sign(self, end: End) -> Signature:
        """Signs where a chain ends.

        Raises:
            ConfigError: The key cannot be read or made, or others may read it.
        """
        made = Signature(key_id_of(self._key.public_key()), self._key.sign(end.message()).hex())
        self.signed_last = end
        return made

    def public_pem(self) -> str:
        """The public key, for others who check the log. Errors as `sign`."""
        return pem_of(self._key.public_key())

    def trusted(self) -> dict[str, Ed25519PublicKey]:
        """The keys whose signature counts, by id: this folder's own and those in `trusted/`.

        Raises:
            ConfigError: One of them cannot be read, or others may write it.
        """
        own = [self._key.public_key()] if self.key_file.exists() else []
        folder = self.folder / TRUSTED
        others = sorted(folder.glob("*.pem"))
        for place in (folder, *others) if others else ():
            if private.others_may(place, private.WRITE):
                raise ConfigError(f"{place}: others may write it, so their keys would count: run `chmod go-w {place}`")
        keys = own + [read_public(file) for file in others]
        return {key_id_of(key): key for key in keys}

    # --- the note -------------------------------------------------------------------------------------------------

    def note_file(self, place: str) -> Path:
        """The note about the gallery at a place."""
        return self.folder / f"{hashlib.sha256(place.encode()).hexdigest()[:32]}.json"

    def seen(self, place: str) -> End | None:
        """Where the chain of the gallery at a place was seen to end; None where it was not, or the note is torn."""
        try:
            file = self.note_file(place)
            body = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}  # a pipe is not waited for
            return End(str(body["chain_id"]), int(body["entries"]), str(body["last_hash"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def warn_once(self, place: str) -> None:
        """Says that a gallery is not the one that was seen here; once a process."""
        if place not in self._warned:
            self._warned.add(place)
            _log.warning(
                "%s: is an older copy of the gallery, or another one: who was erased since may be in it again. See "
                "`knownface audit verify`; `knownface audit accept` where that is as it should be",
                place,
            )

    def note(self, place: str, end: End) -> None:
        """Notes where the chain ends now. What cannot be noted is only logged: the entries are written already."""
        file = self.note_file(place)
        temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
        try:
            private.make_folder(self.folder)
            private.new_file(temporary)
            temporary.write_text(json.dumps({"place": place, **asdict(end)}), encoding="utf-8")
            temporary.replace(file)
        except OSError as error:
            _log.warning("%s: where the audit log ends was not noted: %s", file, error)


def key_id_of(key: Ed25519PublicKey) -> str:
    """What a key is called: the first half of the SHA-256 of its 32 bytes, in hex."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]


def pem_of(key: Ed25519PublicKey) -> str:
    """A public key as a text."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def read_public(file: Path) -> Ed25519PublicKey:
    """A public key from a PEM file.

    Raises:
        ConfigError: There is none in it.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    try:
        if not file.is_file():  # a pipe would be waited for
            raise ConfigError(f"{file}: is no file: put a public key there, or take it out")
        key = load_pem_public_key(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(f"{file}: is no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{file}: is no Ed25519 key")
    return key


def is_signed(end: End, signature: Signature, keys: dict[str, Ed25519PublicKey]) -> bool:
    """Whether one of the keys has signed this end."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

    key = keys.get(signature.key_id)
    try:
        value = bytes.fromhex(signature.value)
    except ValueError:
        return False
    if key is None or value.hex() != signature.value:  # capitals would be another text for the same bytes
        return False
    try:
        key.verify(value, end.message())
    except InvalidSignature:
        return False
    return True
