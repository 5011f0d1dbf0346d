"""Whose process is at the other end of a connection that begins on this machine, where the system tells it (Linux).

A server on 127.0.0.1 is reached by every account of the machine, not only by the one that runs it: the modes of files
do not help there. The kernel is asked for that one connection (sock_diag(7)), by both of its ends: a port alone may be
another account's in one connection and ours in the next. A connection that is not there any more, or that no process
holds, is nobody's: whoever asks and hangs up at once would otherwise be let in. Where sock_diag is not to be had, the
table of all connections is read, which takes longer the more there are. Elsewhere than on Linux nothing is known.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LOCAL, _REMOTE, _UID, _INODE = 1, 2, 7, 9  # columns
#: No process holds this end: its owner is not known any more.
NOBODY = -1
# <linux/netlink.h>, <linux/sock_diag.h>, <linux/inet_diag.h>
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _REQUEST, _ERROR = 4, 20, 1, 2
_HEADER, _ASK = struct.Struct("=LHHLL"), struct.Struct("=BBBxL")
_ENDS, _REST = struct.Struct("!HH16s16s"), struct.Struct("=LLL")  # then: interface and cookie, which are left open
_TOLD = struct.Struct("=BBBB48sLLLLL")  # family, state, timer, retransmits, ends, expires, queues, uid, inode
_WAIT_S = 1.0
_ALL = 0xFFFFFFFF
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_End = tuple[_Address, int]


def is_another_account(client: tuple[str, int] | None, server: tuple[str, int | None] | None) -> bool:
    """Whether a process of another account, and not of root's, has made a connection; or nobody knows who any more.

    Args:
        client: Address and port of the other end, as the server sees them; None where it was gone too soon to be seen.
        server: Address and port of this end; likewise.
    """
    if not hasattr(os, "getuid"):
        return False
    if client is None or server is None:
        return True
    try:
        there, here = _end(client[0], client[1]), _end(server[0], server[1] or 0)
    except ValueError:  # no address of a network
        return False
    found = uid_of(there, here)
    return found is not None and found not in {0, os.getuid()}


def uid_of(there: _End, here: _End) -> int | None:
    """Whose process has the other end of a connection; NOBODY where none has, None where the system does not tell."""
    try:
        return asked(there, here)
    except OSError:
        return listed(there, here)


def asked(there: _End, here: _End) -> int:
    """The same, by asking the kernel for this one connection.

    Raises:
        OSError: It cannot be asked.
    """
    four = there[0].version == 4
    family = socket.AF_INET if four else socket.AF_INET6
    ends = _ENDS.pack(there[1], here[1], there[0].packed.ljust(16, b"\0"), here[0].packed.ljust(16, b"\0"))
    body = _ASK.pack(family, socket.IPPROTO_TCP, 0, _ALL) + ends + _REST.pack(0, _ALL, _ALL)
    head = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST, 0, 0)
    if sys.platform != "linux":
        raise OSError("not on this system")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_WAIT_S)
        kernel.sendto(head + body, (0, 0))
        answer = kernel.recv(4096)
    return _told(answer, ends)


def _told(answer: bytes, ends: bytes) -> int:
    """What the kernel says of the connection with these ends; what listens on the same port is another."""
    kind = _HEADER.unpack_from(answer)[1]
    if kind == _ERROR:
        (code,) = struct.unpack_from("=i", answer, _HEADER.size)
        if code == -2:  # ENOENT
            return NOBODY
        raise OSError(-code, os.strerror(-code))
    *_, its, _, _, _, uid, inode = _TOLD.unpack_from(answer, _HEADER.size)
    return int(uid) if inode and its[: len(ends)] == ends else NOBODY


def listed(there: _End, here: _End, tables: Iterable[Path] = _TABLES) -> int | None:
    """The same, from the system's tables of connections; None where they cannot be read."""
    found: int | None = None
    theirs, ours = f":{there[1]:04X}", f":{here[1]:04X}"
    for table in tables:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        found = NOBODY
        for line in lines:
            columns = line.split()
            local, remote = columns[_LOCAL], columns[_REMOTE]
            ends = local.endswith(theirs) and remote.endswith(ours)
            if ends and _address(local) == there[0] and _address(remote) == here[0]:
                return int(columns[_UID]) if columns[_INODE] != "0" else NOBODY
    return found


def _end(address: str, port: int) -> _End:
    return _plain(ipaddress.ip_address(address)), port


def _address(text: str) -> _Address:
    """An address as the kernel writes it: words of 32 bits in hex, in the machine's order of bytes (little-endian)."""
    hexed = text.rpartition(":")[0]
    words = [bytes.fromhex(hexed[start : start + 8])[::-1] for start in range(0, len(hexed), 8)]
    return _plain(ipaddress.ip_address(b"".join(words)))


def _plain(address: _Address) -> _Address:
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped
