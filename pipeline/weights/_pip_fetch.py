"""Fetches one release file from the package index, exactly as pip would find it. Run as a script, never imported.

pip's own configuration decides where the index is, through which proxy and with which certificates it is reached.
Unlike `pip download` nothing of the package is unpacked, built or run: its link is looked up and its bytes are saved.

Argument: one JSON object with `project`, `filename`, `target` and `limit` (bytes).
Standard output: JSON lines, `{"done": bytes, "total": bytes or null}`, at the end `{"ok": true}` or `{"error": text}`.
"""

# ruff: noqa: T201, PLC0415  a script that talks to its parent through stdout; pip may be missing

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

CHUNK = 1 << 16
REPORT_EVERY = 1 << 19


def say(**values: object) -> None:
    """One JSON line to the parent process."""
    print(json.dumps(values), flush=True)


def fetch(project: str, filename: str, target: str, limit: int) -> str | None:
    """Saves the release file; returns what went wrong, or None."""
    try:
        from pip._internal.commands import create_command
    except ImportError:
        return "pip is not installed in this environment: run `python -m ensurepip`"
    command: Any = create_command("download")
    # The user's `only-binary` and the like choose what to install; here one very file is wanted.
    arguments = ["--ignore-requires-python", "--no-binary=:none:", "--only-binary=:none:", "--no-deps", project]
    options, _ = command.parse_args(arguments)
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(options=options, session=session, ignore_requires_python=True)
        links = [c.link for c in finder.find_all_candidates(project) if c.link.filename == filename]
        if not links:
            return f"no {filename} of {project} in the package index (or the index cannot be reached)"
        response = session.get(links[0].url_without_fragment, stream=True, headers={"Accept-Encoding": "identity"})
        if response.status_code != 200:
            return f"the package index answered {response.status_code} for {filename}"
        return save(response, Path(target), limit)


def save(response: Any, target: Path, limit: int) -> str | None:
    """Streams the body to the file, at most `limit` bytes of it."""
    length = response.headers.get("Content-Length")
    total = int(length) if str(length).isdigit() else None  # a number already where the index is a folder
    done = reported = 0
    with target.open("wb") as file:
        for chunk in response.iter_content(CHUNK):
            done += len(chunk)
            if done > limit:
                return f"the file is larger than the {limit} bytes expected"
            file.write(chunk)
            if done - reported >= REPORT_EVERY:
                reported = done
                say(done=done, total=total)
    return None


def main() -> int:
    """Entry point."""
    task = json.loads(sys.argv[1])
    problem = None
    try:
        problem = fetch(**task)
    except Exception as error:  # noqa: BLE001  whatever pip raises, in any version of it, becomes the parent's FetchError
        problem = f"{type(error).__name__}: {error}"
    say(ok=True) if problem is None else say(error=" ".join(problem.split()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
