"""`scripts/fuzz [TARGET...] [--seconds N]`: each target in a process of its own, led by what atheris sees of our code.

`scripts/fuzz api` is another thing: the REST service, asked by Schemathesis (`scripts.fuzzing.service`).

What is written in C (Pillow, FFmpeg, SQLite, libxml2) is not followed: there, changes are made blindly.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Exit code 1 where something was found."""
    from scripts.fuzzing.targets import TARGETS

    parser = argparse.ArgumentParser(prog="scripts/fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)}; or api")
    parser.add_argument("--seconds", type=int, default=60, help="for each (60)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.targets != ["api"] and (unknown := set(asked.targets) - set(TARGETS)):
        parser.error(f"no target {', '.join(sorted(unknown))}: choose from {', '.join(TARGETS)}")
    if asked.inside:
        _fuzz(asked.targets[0], asked.seconds)
        return 0
    failed = []
    if asked.targets == ["api"]:
        from scripts.fuzzing import service

        return service.run(asked.seconds)
    for name in asked.targets or TARGETS:
        sys.stdout.write(f"== {name}, {asked.seconds} s\n")
        sys.stdout.flush()
        command = [sys.executable, "-m", "scripts.fuzzing", name, "--inside", "--seconds", str(asked.seconds)]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    sys.stdout.write(f"found something: {', '.join(failed)}\n" if failed else "nothing found\n")
    return 1 if failed else 0


def _fuzz(name: str, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["app", "pipeline", "training"]):
        from scripts.fuzzing import targets

        targets.modules()
    target = targets.TARGETS[name]
    found = Path(tempfile.gettempdir()) / f"knownface-fuzz-{name}"
    corpus = found / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)

    def once(data: bytes) -> None:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:  # noqa: S108
            target(data, Path(folder))

    options = [f"-max_total_time={seconds}", "-rss_limit_mb=3000", "-timeout=30", "-max_len=65536", "-verbosity=0"]
    options += ["-print_final_stats=1", f"-artifact_prefix={found}/", str(corpus)]
    atheris.Setup([sys.argv[0], *options], once)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
