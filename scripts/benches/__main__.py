"""`scripts/bench NAME [--json] ...`: runs one benchmark and prints its figures."""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from pathlib import Path

from pipeline.errors import KnownfaceError

NAMES = sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))


def main(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    words = [word for word in arguments if word != "--json"]
    if not words or words[0] not in NAMES:
        print(f"usage: scripts/bench {'|'.join(NAMES)} [--json] [OPTIONS]", file=sys.stderr)
        return 2
    machine = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
    }
    try:
        figures = importlib.import_module(f"scripts.benches.{words[0]}").run(words[1:])
    except KnownfaceError as error:
        print(f"bench: {error.message}", file=sys.stderr)
        return 3
    document = {"bench": words[0], **machine, **figures}
    if as_json:
        print(json.dumps(document, indent=2))
    else:
        show(document)
    return 0


def show(value: object, indent: str = "") -> None:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):  # type: ignore[arg-type]
        if isinstance(inner, dict) or (isinstance(inner, list) and inner and isinstance(inner[0], dict)):
            print(f"{indent}{key}:")
            show(inner, indent + "  ")
        else:
            print(f"{indent}{key}: {inner:.4g}" if isinstance(inner, float) else f"{indent}{key}: {inner}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
