"""`scripts/fuzz api [--seconds N]`: Schemathesis asks a real server, with the real models, for everything it documents.

The server has a data folder and a gallery of its own, which go at the end; in it are some of the sample photos,
enrolled, and a run over others, called as the examples of the OpenAPI document call them. For half of the time nothing
is removed, so that there is something to find; many of the names that are asked for are those. Whoever asks has an
admin's key, so that no folder of this machine can be named. Found is: a 5xx, an answer that is not documented or not of
the type that it says, and an address that needs no key.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
_START_S = 60.0
_KEEPS = ("--exclude-method", "DELETE", "--exclude-method", "PATCH")
_ZIP = "zip"  # it cannot make one: test_api_runs brings some


def command(url: str, seconds: int, *more: str, without: str = _ZIP) -> list[str]:
    """Schemathesis over a running server."""
    return [
        *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"),
        *(f"{url}/openapi.json", "--max-time", str(seconds), "--no-color"),
        *("--exclude-path-regex", f"/({without})$"),
        *("--phases", "examples,coverage,fuzzing", *more),
    ]


def run(seconds: int) -> int:
    """Exit code 1 where something was found."""
    with TemporaryDirectory(prefix="knownface-fuzz-") as name:
        folder = Path(name)
        environment = _prepare(folder)
        key = _said(environment, "--json", "users", "key", "add", "fuzz", "--role", "admin")["key"]
        log = folder / "server.log"
        with _server(environment, log) as url:
            more = ("--checks", f"{CHECKS},ignored_auth", "--max-examples", "100000")
            more += ("--header", f"Authorization: Bearer {key}")
            halves = (
                command(url, seconds // 2, *more, *_KEEPS, without=f"{_ZIP}|erasure|merge|split"),
                command(url, seconds // 2, *more),
            )
            codes = [subprocess.run(asked, cwd=folder, check=False).returncode for asked in halves]
        rows = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        broken = [row for row in rows if row.get("status", 0) >= 500 and row.get("status") not in (501, 503, 507)]
        refused = sorted({(row["status"], row["route"]) for row in rows if row.get("status") in (501, 503, 507)})
        for status, route in refused:
            sys.stdout.write(f"{status}: {route}\n")
        for row in broken[:20]:
            sys.stdout.write(f"{json.dumps(row)}\n")
        requests = sum(row["event"] == "request" for row in rows)
        sys.stdout.write(f"{requests} requests; {len(broken)} errors in the server's log\n")
    return 1 if any(codes) or broken else 0


def _prepare(folder: Path) -> dict[str, str]:
    """A data folder with the installed models, two people and a run; returns the environment for it."""
    from app.photos import photos_in
    from pipeline.config import Settings

    settings = Settings.load(None)
    home, shared = folder / "home", folder / "photos"
    home.mkdir()
    (home / "models").symlink_to(settings.models_dir.resolve())
    samples = settings.home / "samples"
    shutil.copytree(samples / "photos", shared)
    file = home / "settings.toml"
    file.write_text(f"keep_crops = true\nbatch_folders = [{json.dumps(str(shared))}]\n")
    environment = {**os.environ, "KNOWNFACE_HOME": str(home), "KNOWNFACE_GALLERY": str(folder / "gallery")}
    people = sorted({photo.parent for photo in photos_in(samples / "enrol")})
    enrolled: list[dict[str, Any]] = []
    for subject, photos in zip(("Ada Lovelace", "Ada King"), people, strict=False):
        enrolled += _said(environment, "--json", "enrol", subject, *map(str, photos_in(photos)))["enrolled"]
    found = _said(environment, "--json", "identify", str(samples), "--run", "summer")
    known = {
        "name": ["Ada Lovelace", "Ada King", "summer"],
        "cluster": ["U-0001", "U-0002"],
        "face_id": [face["face_id"] for face in found["faces"][:5]],
        "sample_id": [row["sample_id"] for row in enrolled],
    }
    lines = [f"[dictionaries.{kind}]\nvalues = {json.dumps(values)}" for kind, values in known.items()]
    lines += ["[parameters]", *(f'"path.{kind}" = {{ dictionary = "{kind}", probability = 0.6 }}' for kind in known)]
    (folder / "schemathesis.toml").write_text("\n".join(lines) + "\n")
    return environment


def _said(environment: dict[str, str], *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"fuzz: {' '.join(words[:3])}: {done.stderr}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@contextmanager
def _server(environment: dict[str, str], log: Path) -> Iterator[str]:
    import httpx

    from scripts.benches.api import free_port

    url = f"http://127.0.0.1:{(port := free_port())}"
    words = [sys.executable, "-m", "app.cli", "api", "--port", str(port), "--rate", "0"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(words, env=environment, stderr=stderr)
    try:
        until = time.monotonic() + _START_S
        while time.monotonic() < until and process.poll() is None:
            try:
                httpx.get(f"{url}/readyz").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.2)
        else:
            raise SystemExit(f"fuzz: the server did not start: {log.read_text()[-500:]}")
        yield url
    finally:
        process.terminate()
        process.wait()
