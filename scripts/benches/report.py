"""A run's result files at size: how long they take to write, how large they are, and when the report can be used.

    scripts/bench report [--faces 50000] [--visits 5] [--json]

The faces are made up, 800 people among them; their pictures are 400 of 112x112 pixels, of about the size of a photo's
face as JPEG. The report is opened in headless Chromium: `ready_ms` is the navigation's domInteractive, at which its
script has run and the first page of faces is drawn; `search_ms` is the first search by name and year, less the 120 ms
for which the page waits in case another letter is typed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.runs.output import FORMATS, write_results
from tests.large_run import large_run
from tests.result_rows import MadeRun

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SEARCH = """async () => {
  const box = document.getElementById("search"), status = document.getElementById("status"), was = status.textContent;
  box.value = "person 04 2005";
  const start = performance.now();
  box.dispatchEvent(new Event("input"));
  while (status.textContent === was) await new Promise((resolve) => setTimeout(resolve, 2));
  return performance.now() - start - 120;
}"""


class Pictured(MadeRun):
    """The made-up run with pictures of a face's size."""

    def thumbnails(self, faces: Iterable[str]) -> Iterator[bytes]:
        """The pictures, over and over."""
        made = pictures()
        for face in faces:
            yield made[int(face[:8], 16) % len(made)]


def pictures(count: int = 400) -> list[bytes]:
    """JPEGs of smooth noise, about 4 KB each."""
    rng = np.random.default_rng(5)
    made = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (28, 28, 3), np.uint8)
        image = cv2.resize(coarse, (112, 112), interpolation=cv2.INTER_CUBIC)
        made.append(bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]))
    return made


def opened(file: Path, visits: int) -> dict[str, Any]:
    """What a browser makes of it."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if chromium is None:
        return {"browser": "none was found"}
    flags = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    ready, search, elements = [], [], 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        for _ in range(visits):
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.goto(file.as_uri())
            page.wait_for_function("document.documentElement.dataset.ready === 'yes'")
            ready.append(page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive"))
            elements = page.evaluate("document.querySelectorAll('*').length")
            search.append(page.evaluate(_SEARCH))
            page.close()
        browser.close()
    return {
        "ready_ms": {"median": round(statistics.median(ready)), "worst": round(max(ready))},
        "search_ms": {"median": round(statistics.median(search)), "worst": round(max(search))},
        "elements": elements,
    }


def run(args: list[str]) -> dict[str, Any]:
    """Measures; see the module."""
    parser = argparse.ArgumentParser(prog="scripts/bench report", description=__doc__)
    parser.add_argument("--faces", type=int, default=50_000)
    parser.add_argument("--visits", type=int, default=5, help="how often each report is opened")
    options = parser.parse_args(args)
    made = large_run(options.faces)
    run = Pictured(made.face_rows, made.file_rows, made.name)
    result: dict[str, Any] = {"faces": options.faces, "picture_bytes": round(statistics.mean(map(len, pictures())))}
    with tempfile.TemporaryDirectory() as folder:
        for kind in FORMATS:
            for assets in (False, True) if kind == "html" else (False,):
                start = time.perf_counter()
                (file,) = write_results(run, Path(folder), (kind,), assets=assets)
                figures: dict[str, Any] = {
                    "write_s": round(time.perf_counter() - start, 2),
                    "megabytes": round(file.stat().st_size / 1e6, 1),
                }
                if kind == "html":
                    figures |= opened(file, options.visits)
                result[f"{kind}_assets" if assets else kind] = figures
    return result
