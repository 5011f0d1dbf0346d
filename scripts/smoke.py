"""Runs an installed `knownface` as a new user would: `python smoke.py KNOWNFACE HOME [HOME_WITH_MODELS]`.

Needs nothing but the standard library, and imports nothing of this folder: what runs is what was installed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen


def main(knownface: str, home: Path, other: str) -> int:
    """Everything a wheel has to carry is used once: cards, samples' list, migrations, policies, texts, pages."""
    home.mkdir(parents=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("KNOWNFACE_", "PYTHON"))}
    environment["KNOWNFACE_HOME"] = str(home)

    def run(*words: object, code: int = 0) -> str:
        done = subprocess.run(
            [knownface, *map(str, words)], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != code:
            sys.exit(
                f"smoke: knownface {words[0]} ended with {done.returncode}, not {code}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    print(run("--version").strip())
    for part in ("models", "samples"):
        if other and (Path(other) / part).is_dir():
            shutil.copytree(Path(other) / part, home / part)
    run("models", "pull")
    run("models", "verify")
    if not (home / "samples").is_dir():
        run("demo", "--dir", home / "samples")
    people, photos = home / "samples" / "enrol", home / "samples" / "photos"
    one, two = photos / "barack-obama-2009.jpg", photos / "barack-obama-2010.jpg"
    same = json.loads(run("--json", "verify", one, two))
    run("verify", one, photos / "rishi-sunak.jpg", code=1)
    run("enrol", "--folder", people)
    named = [json.loads(line) for line in run("--json-lines", "identify", photos).splitlines()]
    run("policy", "show")
    run("audit", "verify")
    run("gallery", "check")
    serves([knownface, "web", "--no-browser"], environment)
    print(f"smoke: verified ({same['score']:.3f}), {len(named)} photos identified, the page answers")
    return 0


def serves(command: list[str], environment: dict[str, str]) -> None:
    """The page is started, and its frame and its first page answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{port}/", timeout=5) as reply:
                    if reply.status == 200:
                        return
            except (URLError, OSError):
                if server.poll() is not None or time.monotonic() > until:
                    sys.exit("smoke: the web page did not start")
                time.sleep(0.2)
    finally:
        server.terminate()
        server.wait(timeout=20)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""))
