"""Writes docs/commands.md from the command line itself: `python -m scripts.cli_reference`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from app.cli.main import app

FILE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
HEAD = """# Commands

Made by `python -m scripts.cli_reference` from the commands themselves; do not edit.

Global options may stand before or after the command. With `--json` stdout is exactly one JSON document, with
`--json-lines` one JSON object per finished item. Data goes to stdout; progress, notes and errors go to stderr. Exit
codes: 0 yes or done, 1 no (`verify`: no match; `check`: problems remain), 2 usage, 3 a named error
(`{"error", "message"}`), or a batch in which some photos failed.
"""


def reference() -> str:
    """The page."""
    root = typer.main.get_command(app)
    parts = [HEAD, "## Global options\n", *options(root)]
    for path, command in commands(root, ()):
        parts += [f"\n## knownface {' '.join(path)}\n", f"{first_paragraph(command)}\n", *options(command)]
    return "\n".join(parts).rstrip() + "\n"


def commands(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in sorted(group.commands):
        command = group.commands[name]
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def first_paragraph(command: Any) -> str:
    return " ".join((command.help or "").split("\n\n")[0].split())


def options(command: Any) -> list[str]:
    rows = []
    for parameter in command.params:
        if parameter.name in ("help", "install_completion", "show_completion"):
            continue
        is_argument = parameter.param_type_name == "argument"
        names = [*parameter.opts, *parameter.secondary_opts]
        name = (parameter.metavar or parameter.name.upper()) if is_argument else ", ".join(names)
        text = " ".join((getattr(parameter, "help", None) or "").split()).replace("|", "\\|")
        rows.append(f"| `{name}` | {text} |")
    return ["| | |\n|---|---|", *rows] if rows else []


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
