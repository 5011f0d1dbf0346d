"""The service with and without shared passes: p50, p95 and requests a second against how many ask at once.

    scripts/bench api [--seconds 5] [--rounds 2] [--concurrency 1,2,4,8,16,32]

Two servers of the same models and gallery stand beside each other and are asked in turns, first one and then the other
first, so that a busy machine treats both alike; each request identifies one sample photo. The whole takes
seconds x rounds x 2 x 6 (two minutes by default).
"""

from __future__ import annotations

import argparse
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

import httpx
import numpy as np

from app.photos import photos_in
from pipeline.config import Settings

WAYS = {"shared": "8", "alone": "1"}


def run(words: list[str]) -> dict[str, object]:
    parser = argparse.ArgumentParser(prog="scripts/bench api")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=2)
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
    return {"photos": len(photos), "seconds": asked.seconds, "rounds": asked.rounds, "levels": rows}


def _level(
    servers: dict[str, _Server], photos: list[bytes], level: int, asked: argparse.Namespace
) -> dict[str, object]:
    seen: dict[str, list[tuple[float, float, float]]] = {way: [] for way in servers}
    for number in range(asked.rounds):
        for way in list(servers)[:: 1 if number % 2 else -1]:
            seen[way].append(servers[way].ask(photos, level, asked.seconds))
    row: dict[str, object] = {"concurrency": level}
    for way, rounds in seen.items():
        for number, name in enumerate(("p50_ms", "p95_ms", "per_s")):
            row[f"{way}_{name}"] = round(median(one[number] for one in rounds), 1)
    row["per_s_ratio"] = round(float(row["shared_per_s"]) / float(row["alone_per_s"]), 3)  # type: ignore[arg-type]
    return row


class _Server:
    def __init__(self, gallery: Path, batch: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
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

    def ask(self, photos: list[bytes], level: int, seconds: float) -> tuple[float, float, float]:
        """p50 and p95 in milliseconds, and requests a second."""
        times: list[float] = []
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
        return float(p50), float(p95), len(times) / whole

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
