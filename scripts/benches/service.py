"""Many clients at one server for long: enrol, search, read and remove, against a large gallery; nothing may be lost.

    scripts/bench service [--seconds 60] [--clients 32] [--templates 10000] [--kill] [--out docs/images] [--json]

One server (`knownface api`) with a gallery of made-up templates; the clients (`app.client`) send real photos. Each
keeps its own list of what was acknowledged. In the end the lists are held against the server's, the audit log is
verified, and the rest is written down: errors, p50 and p95 of each verb, requests a second, memory over time.

--kill kills the server (-9) midway and starts it again: the clients go on by themselves. --out "" writes no picture.
The clients share the machine with the server. The whole takes seconds + a minute (+ a minute for 100,000 templates).
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from app.client import Client, Retry
from app.photos import photos_in
from pipeline.build import embedder_identity
from pipeline.config import Settings
from pipeline.errors import KnownfaceError
from pipeline.gallery import Anchor, Gallery, Scribe
from scripts.benches._service_clients import MIX, Asker, Book, compare
from scripts.benches._vectors import samples

_PART = 2000
_SHOWN = 20


class Server:
    """`knownface api` as a process, and its memory.

    Args:
        home: Its data folder.
        gallery: Its gallery.
    """

    def __init__(self, home: Path, gallery: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}"
        self.memory: list[tuple[float, float, int]] = []
        command = [sys.executable, "-m", "app.cli", "api", "--gallery", str(gallery), "--port", port, "--rate", "0"]
        self._command, self._log = command, home / "server.log"
        self._environment = os.environ | {"KNOWNFACE_HOME": str(home)}
        self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(self._command, stderr=log, env=self._environment)
        until = time.monotonic() + 180
        with Client(self.url, retry=Retry(tries=1)) as client:
            while time.monotonic() < until and process.poll() is None:
                try:
                    client.ready()
                except KnownfaceError:
                    time.sleep(0.2)
                else:
                    return process
        raise SystemExit(f"bench: the server did not start: {self._log.read_text()[-2000:]}")

    def kill(self) -> float:
        """Kill -9, and up again; returns the seconds until it answers."""
        at = time.monotonic()
        self._process.kill()
        self._process.wait()
        self.memory.clear()
        self._process = self._started()
        return time.monotonic() - at

    def stop(self) -> int:
        """Tells it to end; returns the exit code."""
        self._process.terminate()
        return self._process.wait(90)

    def cpu_s(self) -> float:
        """Seconds of processor time that it has had since it was started."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def sample(self) -> None:
        """Notes when, MiB in memory, and how many files are open."""
        place = Path(f"/proc/{self._process.pid}")
        try:
            text = (place / "status").read_text()
            files = len(list((place / "fd").iterdir()))
        except OSError:  # it is being killed
            return
        (line,) = [line for line in text.splitlines() if line.startswith("VmRSS")] or ["VmRSS: 0 kB"]
        self.memory.append((time.monotonic(), int(line.split()[1]) / 1024, files))

    def errors(self) -> Counter[str]:
        """What its log says of errors that nobody foresaw."""
        lines = (line for line in self._log.read_text(errors="replace").splitlines() if '"level": "error"' in line)
        return Counter(line[:300] for line in lines)


def fill(home: Path, gallery: Path, settings: Settings, templates: int) -> float:
    """Writes made-up templates through the store, in bulk; returns the seconds."""
    model_id, dimension = embedder_identity(settings)
    rows = np.random.default_rng(1).standard_normal((templates, dimension)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    at, items = time.monotonic(), samples(rows)
    with Gallery.open(gallery, model_id, dimension, scribe=Scribe("bench", Anchor(home))) as opened:
        for low in range(0, templates, _PART):
            opened.enrol_many([next(items) for _ in range(min(_PART, templates - low))])
        opened.save_index()
    return time.monotonic() - at


def ask(server: Server, photos: list[bytes], asked: argparse.Namespace) -> tuple[list[Book], float, dict[str, Any]]:
    """Lets the clients ask; returns their books, when they began, and what came of the kill."""
    patient = Retry(tries=60, longest_s=2.0) if asked.kill else Retry(tries=1)
    began = time.monotonic()
    until, killed = began + asked.seconds, dict[str, Any]()
    with ThreadPoolExecutor(asked.clients) as pool:
        askers = [Asker(number, server.url, photos, patient) for number in range(asked.clients)]
        books = [pool.submit(asker.run, until) for asker in askers]
        while not all(book.done() for book in books):
            server.sample()
            if asked.kill and not killed and time.monotonic() - began > asked.seconds / 2:
                acknowledged = sum(len(asker.book.held) + len(asker.book.gone) for asker in askers)
                killed = {"acknowledged_before": acknowledged, "up_again_s": round(server.kill(), 1)}
            time.sleep(min(1.0, asked.seconds / 60))
        return [book.result() for book in books], began, killed


def figures(books: list[Book], seconds: float, server: Server) -> dict[str, Any]:
    """p50 and p95 of each verb, requests a second, and memory."""
    verbs: dict[str, Any] = {}
    for verb in MIX:
        times = [taken for book in books for name, _, taken in book.times if name == verb]
        p50, p95, p99 = np.percentile(times, (50, 95, 99)) * 1000 if times else (0.0, 0.0, 0.0)
        values = {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "longest_ms": max(times, default=0.0) * 1000}
        verbs[verb] = {"requests": len(times)} | {name: round(float(value), 1) for name, value in values.items()}
    at, mib, files = (np.array(column, float) for column in zip(*server.memory, strict=True))
    third = max(1, len(mib) // 3)
    later = slice(third, None)
    slope = np.polyfit(at[later] / 60, mib[later], 1)[0] if len(mib[later]) > 1 else 0.0
    return {
        "requests": sum(len(book.times) for book in books),
        "per_s": round(sum(len(book.times) for book in books) / seconds, 1),
        "verbs": verbs,
        "memory_mib": {
            "first_third": round(float(np.median(mib[:third])), 1),
            "last_third": round(float(np.median(mib[-third:])), 1),
            "most": round(float(mib.max()), 1),
            "slope_per_minute_after_first_third": round(float(slope), 2),
        },
        "open_files": {"first": int(files[0]), "last": int(files[-1])},
    }


def run(words: list[str]) -> dict[str, Any]:
    """Measures; see the module."""
    parser = argparse.ArgumentParser(prog="scripts/bench service", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--templates", type=int, default=10_000)
    parser.add_argument("--kill", action="store_true", help="kill -9 midway")
    parser.add_argument("--out", default="docs/images", help='folder for service.json and service.svg; "": none')
    asked = parser.parse_args(words)
    if asked.out:
        Path(asked.out).mkdir(parents=True, exist_ok=True)  # before the ten minutes, not after
    settings = Settings.load(None)
    photos = [file.read_bytes() for file in photos_in(settings.home / "samples" / "enrol")]
    with TemporaryDirectory(prefix="knownface-bench-") as folder:
        home, gallery = Path(folder) / "home", Path(folder) / "gallery"
        (home / "models").mkdir(parents=True)
        for model in settings.models_dir.iterdir():
            (home / "models" / model.name).symlink_to(model)
        print(f"filling a gallery with {asked.templates} templates", file=sys.stderr, flush=True)
        filled = fill(home, gallery, settings, asked.templates)
        server = Server(home, gallery)
        print(f"{asked.clients} clients for {asked.seconds:.0f} s", file=sys.stderr, flush=True)
        before = server.cpu_s()
        books, began, killed = ask(server, photos, asked)
        cpu_s = None if killed else round(server.cpu_s() - before, 1)
        measured = figures(books, asked.seconds, server)
        with Client(server.url) as client:
            wrong = compare(books, client)
            audit = client.verify_audit()
        code, unforeseen = server.stop(), server.errors()
    found = {
        "clients": asked.clients,
        "seconds": asked.seconds,
        "templates": asked.templates,
        "filled_s": round(filled, 1),
        "errors": dict(sum((book.errors for book in books), Counter())) | dict(unforeseen),
        "lost": len(wrong),
        "what_is_wrong": wrong[:_SHOWN],
        "held": sum(len(book.held) for book in books),
        "removed": sum(len(book.gone) for book in books),
        "not_known": sum(len(book.open) for book in books),
        "audit": {"entries": audit.entries, "findings": len(audit.findings)},
        "exit_code": code,
        "killed": killed or None,
        "server_cpu_s": cpu_s,
        **measured,
    }
    if asked.out:
        out = Path(asked.out)
        (out / "service.json").write_text(json.dumps(found | {"cores": os.cpu_count()}, indent=2) + "\n")
        draw(books, server.memory, began, found, out / "service.svg")
    return found


def draw(
    books: list[Book], memory: list[tuple[float, float, int]], began: float, found: dict[str, Any], file: Path
) -> None:
    """The picture: median and 95th percentile of the time of each verb, and the server's memory, over the minutes."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "service"
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(
        2, 1, figsize=(7, 5.4), sharex=True, height_ratios=(2, 1), layout="constrained"
    )
    width = found["seconds"] / 30
    for verb, colour in (("identify", "#00796b"), ("enrol", "#5c6bc0"), ("remove", "#ef6c00")):
        parts: dict[int, list[float]] = {}
        for book in books:
            for name, at, taken in book.times:
                if name == verb:
                    parts.setdefault(int((at - began) / width), []).append(taken * 1000)
        slots = sorted(parts)
        minutes = [(slot + 0.5) * width / 60 for slot in slots]
        low, high = ([float(np.percentile(parts[slot], share)) for slot in slots] for share in (50, 95))
        above.plot(minutes, low, color=colour, label=f"{verb}, median")
        above.fill_between(minutes, low, high, color=colour, alpha=0.15, linewidth=0)
    above.set(ylabel="milliseconds (band: to the 95th percentile)", ylim=(0, None))
    above.set_title(f"{found['clients']} clients, {found['templates']:,} templates, {found['per_s']} requests a second")
    above.legend(frameon=False)
    below.plot([(at - began) / 60 for at, _, _ in memory], [mib for _, mib, _ in memory], color="#455a64")
    below.set(xlabel="minutes", ylabel="server's memory, MiB", ylim=(0, None))
    for axes in (above, below):
        axes.grid(alpha=0.3)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
