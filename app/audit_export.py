"""The audit log as a file: JSON Lines that end with the signed end of the log, or CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from app.access import Role

if TYPE_CHECKING:
    from app.services import Services
    from pipeline.gallery import Entry


def written(services: Services, entries: Iterable[Entry], *, as_csv: bool) -> Iterator[str]:
    """The lines of the file; that it was written goes into the log once it is.

    Raises:
        NotAllowedError: The actor is no admin.
    """
    services.require(Role.ADMIN)
    return _then_noted(services, _csv(entries) if as_csv else _jsonl(services, entries))


def _then_noted(services: Services, lines: Iterator[str]) -> Iterator[str]:
    yield from lines
    services.gallery.record("audit_export")


def _jsonl(services: Services, entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        yield json.dumps(entry.as_dict()) + "\n"
    end, signed, signature = services.gallery.audit_end()
    body = {"chain_id": end.chain_id, "entries": end.entries, "last_hash": end.last_hash}
    vouched = {"signed_entries": signed.entries, "signed_hash": signed.last_hash}
    yield json.dumps({"end": body | vouched | {"key_id": signature.key_id, "signature": signature.value}}) + "\n"


def _csv(entries: Iterable[Entry]) -> Iterator[str]:
    columns = ("id", "at_us", "actor", "action", "target", "detail", "previous_hash", "entry_hash")
    yield ",".join(columns) + "\r\n"
    for entry in entries:
        buffer = io.StringIO()
        csv.writer(buffer).writerow([_harmless(value) for value in entry.as_dict().values()])
        yield buffer.getvalue()


def _harmless(value: object) -> object:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value
