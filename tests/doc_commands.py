"""Whether a command line in a document can be typed as it stands: each program's words are held against the program."""

from __future__ import annotations

import os
import re
import tomllib
from functools import cache
from typing import Any

import typer

from app.cli.main import app, hoisted
from scripts.api_reference import document
from scripts.benches.__main__ import NAMES as BENCHES
from scripts.cli_reference import commands
from tests.doc_blocks import REPOSITORY, without_redirection

#: Programs of others: their words are theirs.
OTHERS = {"tensorboard", "apt-get", "chmod", "docker", "git", "systemctl"}
_ASSIGNED = re.compile(r"[A-Z_]+=")
_URL = re.compile(r"https?://[^/]+(/[^?]*)?")
_POSTING = {"-F", "--form", "-d", "--data", "--data-binary", "--json"}


@cache
def root() -> Any:
    """The group `knownface`."""
    return typer.main.get_command(app)


@cache
def paths() -> dict[tuple[str, ...], Any]:
    """Every command: its words, and what Typer made of it."""
    return dict(commands(root(), ()))


def knownface_of(words: list[str]) -> list[str] | None:
    """The arguments of a `knownface` line, of the program or of the module; None for other programs."""
    words = without_redirection(words)
    while words and _ASSIGNED.match(words[0]):
        words = words[1:]
    if words and words[0] in {"knownface", ".venv/bin/knownface"}:
        return words[1:]
    if "app.cli" in words:
        return words[words.index("app.cli") + 1 :]
    return None


def command_of(arguments: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """The command that the words name, and the rest of them; ((), ...) where there is none."""
    rest = hoisted(arguments)
    while rest and rest[0].startswith("--"):
        rest = rest[1 if rest[0] in {"--json", "--json-lines", "--quiet", "--help"} else 2 :]
    for length in range(len(rest), 0, -1):
        if tuple(rest[:length]) in paths():
            return tuple(rest[:length]), rest[length:]
    return (), rest


def fault_of(words: list[str]) -> str:
    """Why a line cannot be typed; "" where it can."""
    arguments = knownface_of(words)
    if arguments is not None:
        return _fault_of_ours(arguments)
    words = [word for word in without_redirection(words) if not _ASSIGNED.match(word)]
    if not words or words[0] in OTHERS or words[0] == "export":
        return ""
    if words[0] == "pip":
        return _fault_of_pip(words)
    if words[0] == "curl":
        return _fault_of_curl(words[1:])
    if words[0].startswith(("scripts/", ".ci/")):
        return _fault_of_script(words)
    return f"no test knows the program {words[0]}: teach tests/doc_commands.py about it"


def fault_in_a_sentence(code: str) -> str:
    """Why `knownface ...` in a sentence names no command, or an option that it has not; "" where it is right."""
    words = code.split()[1:]
    place = root()
    while words and hasattr(place, "commands"):
        if words[0] not in place.commands:
            return "" if words[0].startswith("-") else f"there is no command `{words[0]}`"
        place, words = place.commands[words[0]], words[1:]
    known = {name for part in (root(), place) for each in part.params for name in (*each.opts, *each.secondary_opts)}
    asked = {word.strip("[](),").partition("=")[0] for word in words if word.strip("[](").startswith("--")}
    wrong = sorted(asked - known - {"--help", "--"})
    return f"there is no option {', '.join(wrong)}" if wrong else ""


def _fault_of_ours(arguments: list[str]) -> str:
    if arguments in (["--version"], ["--help"], ["-h"]):
        return ""
    path, rest = command_of(arguments)
    if not path:
        return f"there is no command `{' '.join(arguments)}`"
    command = paths()[path]
    try:
        command.make_context(" ".join(path), rest)
    except SystemExit:  # of an option such as --help
        return ""
    except Exception as error:  # of Click, or of Typer's copy of it
        told = getattr(error, "format_message", None)
        if told is None:
            raise
        return "" if "does not exist" in told() else str(told())
    return ""


def _fault_of_pip(words: list[str]) -> str:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for word in words[1:]:
        for extra in re.findall(r"(?:knownface|\.)\[([^]]+)\]", word):
            if wrong := set(extra.split(",")) - set(project["optional-dependencies"]):
                return f"there is no extra {', '.join(sorted(wrong))}"
    return "" if words[1] in {"install", "download"} else f"pip {words[1]}?"


def _fault_of_script(words: list[str]) -> str:
    file = REPOSITORY / words[0]
    if not file.is_file() or not os.access(file, os.X_OK):
        return f"{words[0]} is not there, or cannot be run"
    if words[0] == "scripts/bench" and words[1:] and words[1] not in BENCHES:
        return f"there is no benchmark {words[1]}"
    missing = [word for word in words[1:] if word.startswith("tests/") and not (REPOSITORY / word).exists()]
    return f"{', '.join(missing)} is not there" if missing else ""


@cache
def _addresses() -> dict[str, set[str]]:
    return {path: {method.upper() for method in found} for path, found in document()["paths"].items()}


def _fault_of_curl(words: list[str]) -> str:
    method = "POST" if _POSTING & set(words) else "GET"
    for flag in {"-X", "--request"} & set(words):
        method = words[words.index(flag) + 1]
    url = next((match for word in words if (match := _URL.fullmatch(word.split("?")[0]))), None)
    if url is None:
        return "curl without an address"
    for path, methods in _addresses().items():
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), url[1] or "/") and method in methods:
            return ""
    return f"the service has no {method} {url[1]}"
