"""Whose process is at the other end of a connection that begins on this machine, where the system tells it (Linux).

A server on 127.0.0.1 is reached by every account of the machine, not only by the one that runs it: the modes of files
do not help there. Elsewhere than on Linux the other end is not known.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LOCAL, _UID = 1, 7  # columns


def is_another_account(client: tuple[str, int] | None, tables: Iterable[Path] = _TABLES) -> bool:
    """Whether a process of another account, and not of root's, has made a connection.

    Args:
        client: Address and port of the other end, as the server sees them.
        tables: The system's tables of connections.
    """
    if client is None or not hasattr(os, "getuid"):
        return False
    found = uid_of(client, tables)
    return found is not None and found not in {0, os.getuid()}


def uid_of(client: tuple[str, int], tables: Iterable[Path] = _TABLES) -> int | None:
    """Whose process has one end of a connection; None where that is not known. Arguments as above."""
    try:
        wanted = _plain(ipaddress.ip_address(client[0]))
    except ValueError:
        return None
    port = f":{client[1]:04X}"
    for table in tables:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            address = columns[_LOCAL]
            if address.endswith(port) and _address(address[: -len(port)]) == wanted:
                return int(columns[_UID])
    return None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as the kernel writes it: words of 32 bits in hex, in the machine's order of bytes (little-endian)."""
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    return _plain(ipaddress.ip_address(b"".join(words)))


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped
