"""Names of people as names of folders, on every system: Windows, macOS and Linux."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping

_FORBIDDEN = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?=\s*(\.|$))")
_LONGEST = 120  # bytes: paths on Windows end at 260 characters
#: What no person's folder is called.
UNKNOWN = "_unknown"


def folder_name(name: str) -> str:
    """The name with what a folder cannot be called replaced by `_`; two names may become the same one.

    >>> folder_name("AC/DC"), folder_name("nul"), folder_name("..")
    ('AC_DC', 'nul_', '__')
    """
    text = unicodedata.normalize("NFC", name)
    text = "".join("_" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)
    text = _FORBIDDEN.sub("_", text).strip()
    text = re.sub(r"^\.+|[. ]+$", lambda found: "_" * len(found[0]), text)
    text = _RESERVED.sub(r"\1_", text, count=1)
    if not text or text.casefold() == UNKNOWN:
        text += "_"
    if len(text.encode()) > _LONGEST:
        text = text.encode()[: _LONGEST - 8].decode(errors="ignore").rstrip(". ") + "-" + _mark(name)
    return text


def folder_names(names: Iterable[str], taken: Mapping[str, str] | None = None) -> dict[str, str]:
    """A folder for each name, none of them the same even where case does not count.

    Args:
        names: Of people.
        taken: Folders that some of them, or others, have already: they keep them.
    """
    result = dict(taken or {})
    used = {_folded(folder) for folder in result.values()}
    for name in sorted(set(names) - set(result)):
        folder = folder_name(name)
        if _folded(folder) in used:
            folder += "-" + _mark(name)
        used.add(_folded(folder))
        result[name] = folder
    return result


def _folded(folder: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folder).casefold())


def _mark(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:7]
