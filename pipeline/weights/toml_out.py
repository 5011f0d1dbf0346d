"""Writes TOML: what `tomllib` reads back as the same values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def to_toml(document: Mapping[str, Any], prefix: str = "") -> str:
    """The document as TOML text; None values are left out.

    >>> print(to_toml({"a": 1, "b": {"c": [1.5, "x"]}, "d": [{"e": True}]}), end="")
    a = 1
    <BLANKLINE>
    [b]
    c = [1.5, "x"]
    <BLANKLINE>
    [[d]]
    e = true
    """
    plain, tables = [], []
    for key, value in document.items():
        name = prefix + _key(key)
        if isinstance(value, Mapping):
            tables.append(f"\n[{name}]\n" + to_toml(value, name + "."))
        elif _is_tables(value):
            tables += [f"\n[[{name}]]\n" + to_toml(item, name + ".") for item in value]
        elif value is not None:
            plain.append(f"{_key(key)} = {literal(value)}\n")
    return "".join(plain + tables)


def literal(value: object) -> str:
    """A string, number, boolean or list of those as a TOML value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Sequence):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    raise TypeError(f"TOML has no {type(value).__name__}")


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else literal(key)


def _is_tables(value: object) -> bool:
    return isinstance(value, Sequence) and len(value) > 0 and all(isinstance(item, Mapping) for item in value)
