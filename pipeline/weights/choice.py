"""`models use`: writes the choice of models into the settings file and leaves all else in it as it is."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from pipeline.config import parse_toml, read_text
from pipeline.errors import ConfigError
from pipeline.weights.toml_out import literal

_VALUE = r"(?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s#]+)"


def write_choice(file: Path, choice: Mapping[str, str]) -> None:
    """Sets top-level keys of a TOML file; other keys, tables and comments stay.

    Args:
        file: The settings file; made if it is not there.
        choice: Keys and their new values.

    Raises:
        ConfigError: The file is not valid TOML, or is written so that the keys cannot be set safely.
    """
    try:
        text = read_text(file, ConfigError) if file.exists() else ""
        before = parse_toml(text, file, ConfigError)
    except ConfigError as error:
        raise ConfigError(f"{error.message}: cannot be changed; mend it first") from error
    table = re.search(r"^[ \t]*\[", text, re.MULTILINE)
    head, tail = (text[: table.start()], text[table.start() :]) if table else (text, "")
    for key, value in choice.items():
        line = re.compile(rf"^([ \t]*{re.escape(key)}[ \t]*=[ \t]*){_VALUE}", re.MULTILINE)
        new = literal(value)
        if line.search(head):
            head = line.sub(lambda found, new=new: found[1] + new, head, count=1)  # type: ignore[misc]
        else:
            head += ("" if not head or head.endswith("\n") else "\n") + f"{key} = {new}\n"
    try:
        right = tomllib.loads(head + tail) == {**before, **choice}
    except tomllib.TOMLDecodeError:
        right = False
    if not right:
        wanted = ", ".join(f"{key} = {literal(value)}" for key, value in choice.items())
        raise ConfigError(f"{file}: cannot be changed safely; set {wanted} in it by hand")
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{uuid4().hex}")
    mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o600  # it may hold a database's password
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(head + tail)
    temporary.chmod(mode)
    temporary.replace(file)
