"""Hashes of passwords: Argon2id (RFC 9106) by argon2-cffi, and what a password must be."""

from __future__ import annotations

import threading
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pipeline.errors import PasswordRefusedError

#: Fewest characters of a password (NIST SP 800-63B-4: length is what counts, rules about signs are not).
MIN_LENGTH = 12
#: Most bytes: enough for any passphrase, and nothing to keep the server busy with.
MAX_BYTES = 1024
#: Hashes at the same time: each takes 64 MiB for its moment.
_SLOTS = threading.BoundedSemaphore(2)


def check(password: str, name: str) -> str:
    """The password as it is hashed (NFKC, so that every keyboard writes the same).

    Raises:
        PasswordRefusedError: Too short, too long, one letter over and over, or the name itself.
    """
    plain = unicodedata.normalize("NFKC", password)
    if len(plain) < MIN_LENGTH:
        raise PasswordRefusedError(
            f"the password is too short: it takes {MIN_LENGTH} characters; several words are good"
        )
    if len(plain.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise PasswordRefusedError(f"the password is too long: at most {MAX_BYTES} bytes are taken")
    if len(set(plain)) < 5 or (name.casefold() in plain.casefold() and len(plain) < len(name) + 6):
        raise PasswordRefusedError("the password is too easy to guess: take several words that do not go together")
    return plain


def hashed(password: str) -> str:
    """The hash of a password that was checked, with its salt and its cost in it."""
    with _SLOTS:
        return _hasher().hash(password.encode("utf-8", "surrogatepass"))


def fits(stored: str | None, password: str) -> bool:
    """Whether a password is the one that was hashed; takes as long where there is no hash."""
    plain = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")[: MAX_BYTES + 1]
    with _SLOTS:
        try:
            return _hasher().verify(stored or _nobody(), plain) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def is_weak(stored: str) -> bool:
    """Whether a hash was made at a lower cost than today's."""
    return _hasher().check_needs_rehash(stored)


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()  # the library's parameters: RFC 9106's second choice, 64 MiB, 3 passes, 4 lanes


@cache
def _nobody() -> str:
    """A hash that no password fits, of the same cost."""
    import secrets

    return _hasher().hash(secrets.token_bytes(32))
