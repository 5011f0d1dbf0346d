"""Writes docs/api-reference.md from the service's own OpenAPI document: `python -m scripts.api_reference`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.api import problems
from app.api.application import make_app
from app.api.state import State
from app.services import Services
from pipeline.config import Settings

FILE = Path(__file__).resolve().parent.parent / "docs" / "api-reference.md"
HEAD = """# Addresses of the service

Made by `python -m scripts.api_reference` from the service itself; do not edit. `/openapi.json` of a running server has
all of it, with the types and an example of each. What every address may answer stands at the end.
"""


def document() -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        state = State(Services(Settings(home=Path(folder))))
        try:
            return make_app(state).openapi()
        finally:
            state.close()


def reference() -> str:
    """The page."""
    found = document()
    parts = [HEAD]
    for path, operations in found["paths"].items():
        for method, said in operations.items():
            parts += [f"\n## {method.upper()} {path}\n", f"{said.get('description') or said['summary']}\n"]
            parts += list(_parameters(found, said)) + list(_answers(said))
    parts += ["\n## Errors\n", "| status | `error` | |", "|---|---|---|"]
    rows = sorted((status, code, title) for code, (status, title) in problems.TABLE.items())
    parts += [f"| {status} | `{code}` | {title} |" for status, code, title in rows]
    return "\n".join(parts).rstrip() + "\n"


def _parameters(found: dict[str, Any], said: dict[str, Any]) -> Iterator[str]:
    rows = [(one["name"], one["in"], one.get("description", ""), one["required"]) for one in said.get("parameters", [])]
    for kind, content in said.get("requestBody", {}).get("content", {}).items():
        schema = content["schema"]
        if "$ref" in schema:
            schema = found["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        needed = schema.get("required", [])
        rows += [
            (name, kind, one.get("description", ""), name in needed)
            for name, one in schema.get("properties", {}).items()
        ]
        rows += [] if schema.get("properties") else [("the body", kind, "", True)]
    if rows:
        yield "| parameter | in | |"
        yield "|---|---|---|"
        for name, where, text, needed in rows:
            yield f"| `{name}`{'' if needed else ' (optional)'} | {where} | {re.sub(r'[|]', ' ', text)} |"
        yield ""


def _answers(said: dict[str, Any]) -> Iterator[str]:
    always = {str(status) for status in problems.ALWAYS}
    others = [status for status in said["responses"] if status not in always]
    yield f"Answers: {', '.join(sorted(others))}.\n"


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
