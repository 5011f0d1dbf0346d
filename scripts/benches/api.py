"""The service with and without shared passes: p50, p95 and requests a second against how many ask at once.

    scripts/bench api [--seconds 5] [--rounds 3] [--concurrency 1,2,4,8,16,32] [--out FOLDER]

Two servers of the same models and gallery stand beside each other and are asked in turns, first one and then the other
first, so that a busy machine treats both alike; each request identifies one sample photo. The whole takes
seconds x rounds x 2 x 6 (three minutes by default, and a little). Beside the times stands the processor time of the
server for a request, which other work on the machine disturbs less. FOLDER gets api.json and api.svg (needs the
extra `docs`).
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from app.photos import photos_in
from pipeline.config import Settings

WAYS = {"shared": "8", "alone": "1"}


def run(words: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="scripts/bench api")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", default="", help="folder for api.json and api.svg")
    parser.add_argument("--concurrency", default="1,2,4,8,16,32")
    asked = parser.parse_args(words)
    settings = Settings.load(None)
    photos = [file.read_bytes() for file in photos_in(settings.home / "samples" / "enrol")[:16]]
    levels = [int(word) for word in asked.concurrency.split(",")]
    with TemporaryDirectory() as folder:
        servers = {way: _Server(Path(folder) / "gallery", batch) for way, batch in WAYS.items()}
        try:
            for server in servers.values():
                server.wait()
            servers["shared"].enrol(photos)
            for server in servers.values():
                server.ask(photos, 4, 2.0)  # warm
            rows = [_level(servers, photos, level, asked) for level in levels]
        finally:
            for server in servers.values():
                server.stop()
    found: dict[str, Any] = {"photos": len(photos), "seconds": asked.seconds, "rounds": asked.rounds, "levels": rows}
    if asked.out:
        out = Path(asked.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / "api.json").write_text(json.dumps({"cores": os.cpu_count(), **found}, indent=2) + "\n")
        draw(rows, out / "api.svg")
    return found


def draw(rows: list[dict[str, Any]], file: Path) -> None:
    """Times (median, and up to the 95th percentile) and requests a second against how many ask at once."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "api"
    from matplotlib import pyplot

    figure, (times, rates) = pyplot.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    levels = [row["concurrency"] for row in rows]
    for way, (label, colour) in {
        "alone": ("one photo a pass", "#00796b"),
        "shared": (f"up to {WAYS['shared']} share a pass", "#ef6c00"),
    }.items():
        low, high, rate = ([row[f"{way}_{name}"] for row in rows] for name in ("p50_ms", "p95_ms", "per_s"))
        times.plot(levels, low, marker="o", color=colour, label=f"{label}, p50")
        times.plot(levels, high, marker="^", linestyle="--", color=colour, label="p95")
        rates.plot(levels, rate, marker="o", color=colour, label=label)
    times.set(xscale="log", yscale="log", xlabel="requests at once", ylabel="milliseconds")
    rates.set(xscale="log", xlabel="requests at once", ylabel="requests a second", ylim=(0, None))
    for axes in (times, rates):
        axes.set_xticks(levels, [str(level) for level in levels])
        axes.xaxis.minorticks_off()
        axes.grid(which="major", alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def _level(servers: dict[str, _Server], photos: list[bytes], level: int, asked: argparse.Namespace) -> dict[str, Any]:
    seen: dict[str, list[tuple[float, ...]]] = {way: [] for way in servers}
    for number in range(asked.rounds):
        for way in list(servers)[:: 1 if number % 2 else -1]:
            seen[way].append(servers[way].ask(photos, level, asked.seconds))
    row: dict[str, Any] = {"concurrency": level}
    for way, rounds in seen.items():
        for number, name in enumerate(("p50_ms", "p95_ms", "per_s", "cpu_ms")):
            row[f"{way}_{name}"] = round(median(one[number] for one in rounds), 1)
    pairs = zip(seen["shared"], seen["alone"], strict=True)
    row["per_s_ratio"] = round(median(shared[2] / alone[2] for shared, alone in pairs), 3)
    row["cpu_ratio"] = round(row["shared_cpu_ms"] / row["alone_cpu_ms"], 3)
    return row


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Server:
    def __init__(self, gallery: Path, batch: str) -> None:
        port = str(free_port())
        command = [sys.executable, "-m", "app.cli", "api", "--gallery", str(gallery), "--port", port]
        command += ["--rate", "0", "--batch", batch]
        self._url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=dict(os.environ))

    def wait(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and self._process.poll() is None:
            try:
                httpx.get(f"{self._url}/readyz").raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.2)
            else:
                return
        raise SystemExit("bench: the server did not start")

    def enrol(self, photos: list[bytes]) -> None:
        for number, data in enumerate(photos):
            httpx.post(f"{self._url}/v1/subjects/{number}/samples", files={"photos": ("a.jpg", data)}, timeout=60)

    def _cpu_s(self) -> float:
        """Processor time of the server up to now, in seconds."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, photos: list[bytes], level: int, seconds: float) -> tuple[float, ...]:
        """p50 and p95 in milliseconds, requests a second, and the server's processor time of one in milliseconds."""
        times: list[float] = []
        before = self._cpu_s()
        lock, begun = threading.Lock(), time.perf_counter()

        def client(first: int) -> None:
            with httpx.Client(timeout=60) as caller:
                number = first
                while time.perf_counter() - begun < seconds:
                    at = time.perf_counter()
                    files = {"photos": ("a.jpg", photos[number % len(photos)])}
                    caller.post(f"{self._url}/v1/identify", files=files).raise_for_status()
                    with lock:
                        times.append(time.perf_counter() - at)
                    number += 1

        with ThreadPoolExecutor(level) as pool:
            for done in [pool.submit(client, number) for number in range(level)]:
                done.result()
        whole = time.perf_counter() - begun
        p50, p95 = np.percentile(times, (50, 95)) * 1000
        return float(p50), float(p95), len(times) / whole, (self._cpu_s() - before) / len(times) * 1000

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
