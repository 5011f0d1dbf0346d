"""The audit log as a file: JSON Lines that end with the signed end of the log, or CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.access import Role
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from app.services import Services
    from pipeline.gallery import Entry
    from pipeline.gallery.anchor import End, Signature


def written(services: Services, entries: Iterable[Entry], *, as_csv: bool) -> Iterator[str]:
    """The lines of the file; that it was written goes into the log once it is.

    Raises:
        NotAllowedError: The actor is no admin.
    """
    services.require(Role.ADMIN)
    return _then_noted(services, _csv(entries) if as_csv else _jsonl(services, entries))


def head(services: Services) -> dict[str, Any]:
    """Where the log ends, signed: what to keep elsewhere, so that the log cannot be turned back behind it.

    Raises:
        NotAllowedError: The actor is no admin.
        ConfigError: There is no end that was signed.
    """
    services.require(Role.ADMIN)
    end, signed, signature = services.gallery.audit_end()
    if not signature.value or signed != end:
        raise ConfigError("the end of the log is not signed: `knownface audit verify` says why")
    found = {"chain_id": end.chain_id, "entries": end.entries, "last_hash": end.last_hash}
    return found | {"key_id": signature.key_id, "signature": signature.value}


def read_head(file: Path) -> tuple[End, Signature]:
    """An end that was kept: what `head` says, or the last line of an exported log.

    Raises:
        ConfigError: There is none in the file.
    """
    from pipeline.gallery.anchor import End, Signature

    try:
        text = file.read_text(encoding="utf-8").strip()
        try:
            found = json.loads(text)
        except ValueError:
            found = json.loads(text.rpartition("\n")[2])
        found = found.get("end", found)
        end = End(str(found["chain_id"]), int(found["entries"]), str(found["last_hash"]))
        return end, Signature(str(found["key_id"]), str(found["signature"]))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file}: holds no end of a log: make one with `knownface audit export --head`") from error


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
