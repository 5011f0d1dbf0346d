"""`scripts/bench web`: many people at one server, in real browsers, and the newcomer's way to a first answer.

Every session is a browser of its own that compares one photo with one other after the other: it uploads the other,
waits for the answer, which changes every time, and replaces it. The browsers share the machine with the server, so the
times are longer than those of people with computers of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from playwright.async_api import Browser, Page, async_playwright, expect
from playwright.async_api import Error as PlaywrightError

from pipeline.config import home
from pipeline.weights.samples import pull_samples

_ROOT = Path(__file__).resolve().parent.parent.parent
_KNOWNFACE = "import sys; from app.cli.main import main; sys.exit(main())"
_SAME, _OTHER = "Same person", "Not the same person"
_PATIENCE_MS = 60_000

Other = tuple[Path, str]


def run(arguments: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="scripts/bench web")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long the sessions go on")
    parser.add_argument("--sessions", type=int, default=10)
    options = parser.parse_args(arguments)
    photos = {sample.path.stem: sample.path for sample in pull_samples(home() / "samples")}
    first = photos["barack-obama-2012"]
    others = [
        (photos["barack-obama-2010"], _SAME),
        (photos["jacinda-ardern-2018"], _OTHER),
        (photos["barack-obama-senate"], _SAME),
        (photos["joe-biden-2010"], _OTHER),
    ]
    with tempfile.TemporaryDirectory(prefix="knownface-bench-") as folder:
        started = time.monotonic()
        with _server(Path(folder)) as (url, process):
            return asyncio.run(_measure(url, process, first, others, options, started))


async def _measure(
    url: str, process: int, first: Path, others: list[Other], options: argparse.Namespace, started: float
) -> dict[str, Any]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("no Chromium was found: install one (Debian: apt-get install chromium)")
    flags = ["--disable-gpu", "--disable-quic", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    expect.set_options(timeout=_PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=flags)
        newcomer = await _newcomer(browser, url, first, others[0], started)
        memory: list[tuple[float, float]] = []
        done = asyncio.Event()
        watching = asyncio.create_task(_watch(process, memory, done))
        until = time.monotonic() + options.seconds
        results = await asyncio.gather(
            *(_session(browser, url, first, others, number, until) for number in range(options.sessions))
        )
        done.set()
        await watching
        await browser.close()
    times = [value for part, _ in results for value in part]
    return {
        "newcomer": newcomer,
        "sessions": options.sessions,
        "seconds": options.seconds,
        "verifications": len(times),
        "errors": [error for _, part in results for error in part],
        "verify_s": _quantiles(times),
        "server_memory_mb": _flatness(memory),
    }


async def _newcomer(browser: Browser, url: str, first: Path, other: Other, started: float) -> dict[str, Any]:
    """From the start of `knownface web` on an empty gallery to the first correct answer."""
    page = await browser.new_page()
    clicks: list[int] = []
    await page.expose_binding("clicked", lambda _: clicks.append(1))
    await page.add_init_script("addEventListener('click', e => { if (e.isTrusted) clicked() }, true)")
    ready = time.monotonic() - started
    await page.goto(url)
    await page.get_by_role("button", name="Compare two photos").click()
    await page.get_by_role("heading", name="Verify").wait_for()
    await _upload(page, 0, first)
    await expect(page.locator(".kf-photo")).to_have_count(1)
    await _upload(page, 1, other[0])
    await expect(page.get_by_role("heading", name=other[1], exact=True)).to_be_visible()
    took = time.monotonic() - started
    await page.close()
    return {"clicks": len(clicks), "uploads": 2, "server_ready_s": ready, "first_answer_s": took}


async def _session(
    browser: Browser, url: str, first: Path, others: list[Other], number: int, until: float
) -> tuple[list[float], list[str]]:
    """One person: seconds from each upload to the right answer."""
    context = await browser.new_context()
    context.set_default_timeout(_PATIENCE_MS)
    page = await context.new_page()
    times: list[float] = []
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        await page.goto(f"{url}/verify")
        await _upload(page, 0, first)
        await expect(page.locator(".kf-photo")).to_have_count(1)
        for file, answer in itertools.cycle(others):
            if time.monotonic() > until or errors:
                break
            begun = await _upload(page, 1, file)
            await expect(page.get_by_role("heading", name=answer, exact=True)).to_be_visible()
            times.append(time.monotonic() - begun)
            await page.wait_for_timeout(500)  # somebody reads it
    except (AssertionError, PlaywrightError) as error:
        errors.append(f"session {number}, verification {len(times) + 1}: {str(error).splitlines()[0]}")
    await context.close()
    return times, errors


async def _upload(page: Page, place: int, file: Path) -> float:
    """Hands a photo over; returns when."""
    chooser = page.locator("input[type=file]").nth(place)
    await chooser.wait_for(state="attached")
    begun = time.monotonic()
    await chooser.set_input_files(file)
    return begun


async def _watch(process: int, memory: list[tuple[float, float]], done: asyncio.Event) -> None:
    begun = time.monotonic()
    while not done.is_set():
        memory.append((time.monotonic() - begun, _resident(process)))
        await asyncio.sleep(1.0)


def _resident(process: int) -> float:
    """MB of the server's memory that is in RAM."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else 0.0


def _quantiles(times: list[float]) -> dict[str, float]:
    if len(times) < 2:
        return {}
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "max": max(times)}


def _flatness(memory: list[tuple[float, float]]) -> dict[str, float]:
    """The first half is warming up; a line through the second says how memory changes."""
    half = memory[len(memory) // 2 :]
    line = statistics.linear_regression(*zip(*half, strict=True)) if len(half) > 2 else None
    values = [value for _, value in memory]
    return {
        "first": values[0],
        "at_half": half[0][1],
        "last": values[-1],
        "most": max(values),
        "mb_per_minute_in_second_half": line.slope * 60 if line else 0.0,
    }


@contextmanager
def _server(folder: Path) -> Iterator[tuple[str, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    own = folder / "home"
    own.mkdir()
    (own / "models").symlink_to(home() / "models", target_is_directory=True)
    command = [sys.executable, "-c", _KNOWNFACE, "web", "--no-browser", "--port", str(port)]
    environment = dict(os.environ, KNOWNFACE_HOME=str(own), PYTHONPATH=str(_ROOT))
    environment.pop("KNOWNFACE_GALLERY", None)
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                    break
            except (URLError, OSError):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit((folder / "log.txt").read_text()) from None
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)
