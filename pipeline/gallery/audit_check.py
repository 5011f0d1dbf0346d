"""Whether the audit log is whole, and what is wrong with it if it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.gallery.anchor import Anchor, End, Signature, is_signed
from pipeline.gallery.audit import NOTHING, Entry, hash_of
from pipeline.gallery.schema import audit, audit_head

FindingKind = Literal[
    "entry_changed",
    "entry_missing",
    "end_changed",
    "not_signed",
    "signature_wrong",
    "older_than_seen",
    "head_not_signed",
]
SHOWN = 20
"""Findings of one check that are told one by one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with the log.

    Attributes:
        kind: What sort of thing.
        entry: The number of the first entry concerned; None where it is the end of the chain.
        message: One line for people.
    """

    kind: FindingKind
    entry: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the log has found.

    Attributes:
        entries: How many entries there are.
        end: Where the chain ends by its own word; None where that cannot be read.
        signed_by: The id of the key that has signed the end; "" where none has that counts.
        findings: What is wrong, the first entry first; nothing where the log is whole.
    """

    entries: int
    end: End | None
    signed_by: str
    findings: tuple[Finding, ...]


def verify(
    connection: Connection,
    anchor: Anchor | None,
    place: str,
    public: Any = None,
    head_elsewhere: tuple[End, Signature] | None = None,
) -> Verdict:
    """Reads the log from its first entry to its last.

    Args:
        connection: A read transaction.
        anchor: Whose keys count, and whose note is looked at; None for none.
        place: What the note calls the gallery.
        public: The only key that counts, where one is given.
        head_elsewhere: A signed end that was kept outside gallery and data folder: the log has to go on from there.
    """
    head = _head(connection)
    chain = _Chain()
    for row in _rows(connection):
        chain.take(row)
    findings = chain.findings
    if head is None:
        wrong = Finding("end_changed", None, "the row that says where the log ends is gone or cannot be read")
        return Verdict(chain.count, None, "", (*findings[:SHOWN], wrong))
    end, signed, signature = head
    if (chain.last_id, chain.last_hash) != (end.entries, end.last_hash):
        text = f"the log says that it ends with entry {end.entries}, but the last one is {chain.last_id}"
        if chain.last_id == end.entries:
            text = f"the log's end is not the hash of its last entry, {end.entries}"
        findings.append(Finding("end_changed", min(chain.last_id, end.entries) + 1, text))
    keys = {public[0]: public[1]} if public is not None else {} if anchor is None else anchor.trusted()
    findings += _of_signature(end, signed, signature, keys)
    if anchor is not None and (seen := anchor.seen(place)) is not None:
        gone = f"If you removed it yourself: {anchor.note_file(place)} can go"
        findings += _of_seen(connection, seen, end, "when it was seen last", gone)
    if head_elsewhere is not None:
        if not is_signed(*head_elsewhere, keys):
            text = "the end that was kept elsewhere was signed by no key that counts here: name its key"
            findings.append(Finding("head_not_signed", None, text))
        findings += _of_seen(
            connection, head_elsewhere[0], end, "when its end was kept elsewhere", "It is not this log"
        )
    good = is_signed(signed, signature, keys)
    return Verdict(chain.count, end, signature.key_id if good else "", tuple(findings[:SHOWN]))


def older_than_seen(connection: Connection, anchor: Anchor, place: str) -> list[Finding]:
    """What tells that this is not the gallery, or not its last state, that the data folder's note is about."""
    head, seen = _head(connection), anchor.seen(place)
    return [] if head is None or seen is None else _of_seen(connection, seen, head[0], "when it was seen last", "")


class _Chain:
    """Follows the entries and keeps what does not fit."""

    def __init__(self) -> None:
        self.count, self.last_id, self.last_hash = 0, 0, NOTHING
        self.findings: list[Finding] = []

    def take(self, row: tuple[Any, ...]) -> None:
        self.count += 1
        number, *_, previous, digest = row
        if type(number) is not int or not all(map(_is_kind, row)):
            self.findings.append(
                Finding("entry_changed", self.last_id + 1, f"entry {number} holds what no entry can hold")
            )
            self.last_id = number if type(number) is int else self.last_id + 1
            return
        if number != self.last_id + 1:
            gap = f"entry {self.last_id + 1}" + (f" to {number - 1}" if number > self.last_id + 2 else "")
            self.findings.append(Finding("entry_missing", self.last_id + 1, f"{gap} of the log is missing"))
        elif previous != self.last_hash:
            text = f"entry {number} does not continue entry {self.last_id}: one of them was changed"
            self.findings.append(Finding("entry_changed", number, text))
        if _hash(previous, row) != digest:
            self.findings.append(Finding("entry_changed", number, f"entry {number} was changed: its hash does not fit"))
        self.last_id, self.last_hash = number, digest


def _hash(previous: str, row: tuple[Any, ...]) -> str | None:
    try:
        return hash_of(previous, row[:6]) if previous == bytes.fromhex(previous).hex() else None
    except ValueError:
        return None


def _is_kind(value: object) -> bool:
    return type(value) in (int, str)


def _rows(connection: Connection) -> Iterator[tuple[Any, ...]]:
    """The entries as they stand, whatever kind of value somebody has put there."""
    columns = [_as_it_stands(connection, audit.c[name]) for name in Entry.__slots__]
    for row in connection.execute(sa.select(*columns).order_by(audit.c.id).execution_options(yield_per=1000)):
        yield tuple(map(_text, row))


def _as_it_stands(connection: Connection, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """SQLite keeps a value of any kind, texts that are no UTF-8 too: what is no number comes as bytes."""
    raw: sa.ColumnElement[Any] = sa.type_coerce(column, sa.types.NullType())
    if connection.dialect.name != "sqlite":
        return raw
    text: sa.ColumnElement[Any] = sa.type_coerce(sa.cast(column, sa.LargeBinary), sa.types.NullType())
    return sa.case((sa.func.typeof(column).in_(("text", "blob")), text), else_=raw)


def _text(value: object) -> object:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value


def _head(connection: Connection) -> tuple[End, End, Signature] | None:
    columns = [_as_it_stands(connection, column) for column in audit_head.c]
    rows = [tuple(map(_text, row)) for row in connection.execute(sa.select(*columns))]
    kinds = (int, str, int, str, int, str, str, str)
    if len(rows) != 1 or tuple(map(type, rows[0])) != kinds:
        return None
    _, chain, entries, last, signed_entries, signed_hash, key_id, signature = rows[0]
    signed = End(str(chain), int(str(signed_entries)), str(signed_hash))
    return End(signed.chain_id, int(str(entries)), str(last)), signed, Signature(str(key_id), str(signature))


def _of_signature(end: End, signed: End, signature: Signature, keys: dict[str, Any]) -> list[Finding]:
    if not signature.value:
        return [Finding("not_signed", 1, "nobody has signed the log")] if end.entries else []
    if signature.key_id not in keys:
        known = "put the public key into the folder of trusted keys, or name it" if keys else "the key is not here"
        return [Finding("not_signed", None, f"the log's end was signed with the key {signature.key_id}: {known}")]
    if not is_signed(signed, signature, keys):
        return [Finding("signature_wrong", None, "the signature of the log's end is not good: the end was changed")]
    if signed != end:
        text = f"the signature vouches for {signed.entries} entries, the log says that it has {end.entries}"
        return [Finding("not_signed", min(signed.entries, end.entries) + 1, text)]
    return []


def _of_seen(connection: Connection, seen: End, end: End, when: str, gone: str) -> list[Finding]:
    """What does not fit where the log was known to end."""
    if seen.chain_id != end.chain_id:
        text = f"the log that stood here, with {seen.entries} entries, is gone; another one begins in its place"
        return [Finding("older_than_seen", 1, f"{text}. {gone}")]
    if seen.entries > end.entries:
        text = f"the log had {seen.entries} entries {when}, and has {end.entries} now"
        return [Finding("older_than_seen", end.entries + 1, text)]
    digest = _as_it_stands(connection, audit.c.entry_hash)
    then = _text(connection.execute(sa.select(digest).where(audit.c.id == seen.entries)).scalar())
    if seen.entries and then != seen.last_hash:
        return [Finding("older_than_seen", seen.entries, f"entry {seen.entries} is not the one there was {when}")]
    return []


def end_as_it_stands(connection: Connection) -> End:
    """Makes the end of the chain what its last entry says, whatever was wrong; the next one continues there."""
    last = connection.execute(sa.select(audit.c.id, audit.c.entry_hash).order_by(audit.c.id.desc()).limit(1)).first()
    number, digest = (0, NOTHING) if last is None else (int(last[0]), str(last[1]))
    values = {"entries": number, "last_hash": digest, "signed_entries": number, "signed_hash": digest}
    connection.execute(sa.update(audit_head).values(**values, key_id="", signature=""))
    return End(str(connection.execute(sa.select(audit_head.c.chain_id)).scalar_one()), number, digest)
