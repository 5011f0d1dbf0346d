"""The report as Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.evaluation.tables import Table, headline, tables_of, title_of


def markdown_of(document: dict[str, Any]) -> str:
    """The report: headline, tables, and what the figures rest on."""
    return markdown_page(
        title_of(document), document["model_id"], headline(document), list(tables_of(document)), facts_of(document)
    )


def markdown_page(
    title: str,
    model: str,
    cards: Sequence[tuple[str, str, str]],
    tables: Sequence[Table],
    facts: Sequence[tuple[str, str]],
) -> str:
    """Any report; the arguments are those of `html.page_of`."""
    parts = [f"# {_plain(title)}", f"Model `{_plain(model)}`."]
    parts.append("\n".join(f"- {_plain(name)}: **{_plain(value)}** ({_plain(more)})" for name, value, more in cards))
    for table in tables:
        if not table.rows:
            continue
        rows = [table.columns, ["---"] * len(table.columns), *table.rows]
        lines = ["| " + " | ".join(_plain(cell) for cell in row) + " |" for row in rows]
        parts += [f"## {_plain(table.title)}", "\n".join(lines)]
        parts += [_plain(table.note)] if table.note else []
    parts.append("## What this rests on")
    parts.append("\n".join(f"- {_plain(name)}: {_plain(value)}" for name, value in facts))
    return "\n\n".join(parts) + "\n"


def facts_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Model, command, settings, machine and time, as names and values."""
    run = document["run"]
    settings = ", ".join(f"{key} {value}" for key, value in document["settings"].items())
    return [
        ("model", document["model_id"]),
        *([("runtime", runtimes_text(document["runtime"]))] if document.get("runtime") else []),
        ("command", document["command"]),
        ("settings", settings),
        ("Knownface", run["version"]),
        ("machine", run["machine"]),
        ("time", f"{run['at']}, {run['seconds']:.1f} s"),
    ]


def runtimes_text(runtimes: Mapping[str, str]) -> str:
    """Which runtime ran each stage, as a line."""
    return ", ".join(f"{stage} {runtime}" for stage, runtime in runtimes.items())


def _plain(text: object) -> str:
    """Text that Markdown takes for nothing else: no markup, no line breaks, no cell ends."""
    line = "".join(c if c.isprintable() else "\ufffd" for c in str(text))
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", html.escape(line, quote=False))
