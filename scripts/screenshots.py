"""Makes the pictures of docs/images from the running app: `scripts/screenshots [PAGE...] [--out DIR | --all DIR]`.

Starts `knownface web` with a gallery of its own, uses it as people do in a headless Chromium, and stops it again. Only
sample photos in the public domain appear; docs/images/CREDITS.md is written with what they are. `--out` puts the
pictures into a folder of your own; `--all` every page at 1280 and 390 pixels width, light and dark, to be looked at.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from pipeline.build import embedder_identity
from pipeline.config import Settings, home
from pipeline.gallery import Anchor, Gallery, NewSample, Scribe
from pipeline.weights.samples import Sample, pull_samples

_ROOT = Path(__file__).resolve().parent.parent
_IMAGES = _ROOT / "docs" / "images"
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_KNOWNFACE = "import sys; from app.cli.main import main; sys.exit(main())"
_SHOWN: dict[str, list[str]] = {
    "enrol": ["barack-obama-2010.jpg", "eileen-collins.png"],
    "verify": ["barack-obama-2012.jpg", "barack-obama-senate.jpg"],
    "identify": ["barack-obama-2009.jpg", "barack-obama-senate.jpg", "eileen-collins.png"],
    "challenge": [],
    "gallery": [],
    "batch": [],
    "unknowns": [],
}
#: Of these and a smaller copy of the first, a run is made: who is not enrolled stands on the page Unknowns.
_IN_FOLDER = ["eileen-collins.png", "barack-obama-2010.jpg", "barack-obama-2009.jpg"]
_SEEN_TOO = {"unknowns": ["eileen-collins.png"]}
#: With made-up people: no photos appear.
_LOOKED_AFTER: dict[str, list[str]] = {"calibrate": [], "models": [], "audit": []}
_GROUPS = (_SHOWN, _LOOKED_AFTER)
PAGES = (*_SHOWN, *_LOOKED_AFTER)
_WITHOUT_PEOPLE, _OF_A_RUN = {"verify", "challenge"}, {"batch", "unknowns"}
_MADE_UP = 240
_ENROLLED = ["barack-obama-2012.jpg", "emmanuel-macron-2025.jpg", "jacinda-ardern-2022.jpg", "joe-biden-2010.jpg"]
_HEIGHTS = {
    (1280, "enrol"): 1150,
    (1280, "verify"): 1190,
    (1280, "identify"): 1130,
    (1280, "challenge"): 900,
    (1280, "gallery"): 720,
    (1280, "batch"): 760,
    (1280, "unknowns"): 660,
    (1280, "calibrate"): 1510,
    (1280, "models"): 1250,
    (1280, "audit"): 1000,
    (390, "calibrate"): 2400,
    (390, "start"): 1200,
}


def main() -> int:
    """Starts the app, takes the pictures, stops it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"by default all of {', '.join(PAGES)}")
    parser.add_argument("--out", type=Path, metavar="DIR", help="into DIR instead of docs/images")
    parser.add_argument("--all", type=Path, metavar="DIR", help="every page, both widths, light and dark, into DIR")
    options = parser.parse_args()
    if unknown := set(options.pages) - set(PAGES):
        parser.error(f"there is no picture of {', '.join(sorted(unknown))}: {', '.join(PAGES)}")
    wanted = set(options.pages or PAGES)
    shown, looked_after = ({name: files for name, files in group.items() if name in wanted} for group in _GROUPS)
    look = Look(options.all or options.out or _IMAGES, every=options.all is not None)
    samples = {sample.path.name: sample for sample in pull_samples(home() / "samples") if sample.public_domain}
    with tempfile.TemporaryDirectory(prefix="knownface-shots-") as folder:
        own, pictures = _home(Path(folder)), _pictures(samples, Path(folder) / "Pictures")
        if shown:
            with _serving(f"{folder}/gallery", own) as url:
                enrolled = _ENROLLED if set(shown) - _WITHOUT_PEOPLE else []
                _take(url, samples, look, shown, enrolled, pictures if _OF_A_RUN & set(shown) else None)
        if looked_after:
            _make_up(Settings(home=own, gallery=f"{folder}/made-up"))
            with _serving(f"{folder}/made-up", own) as url:
                _take(url, samples, look, looked_after, [])
    if look.folder == _IMAGES:
        _write_credits(samples)
    return 0


@dataclass(frozen=True)
class Look:
    """Where pictures go, and whether in every width and colour scheme."""

    folder: Path
    every: bool


@contextmanager
def _serving(gallery: str, data: Path) -> Iterator[str]:
    """The address of the app with this gallery and data folder."""
    port = _free_port()
    command = [sys.executable, "-c", _KNOWNFACE, "--gallery", gallery, "web", "--no-browser", "--port", str(port)]
    variables, quiet = os.environ | {"KNOWNFACE_HOME": str(data)}, subprocess.DEVNULL
    server = subprocess.Popen(command, cwd=_ROOT, env=variables, stdout=quiet, stderr=quiet)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=20)


def _home(folder: Path) -> Path:
    """A data folder of its own, for the runs, with the models that are installed."""
    made = folder / "home"
    made.mkdir()
    (made / "models").symlink_to(home() / "models", target_is_directory=True)
    return made


def _pictures(samples: dict[str, Sample], folder: Path) -> Path:
    """A folder of photos for a run."""
    folder.mkdir()
    for name in _IN_FOLDER:
        shutil.copy(samples[name].path, folder)
    smaller = Image.open(samples[_IN_FOLDER[0]].path).convert("RGB")
    smaller.resize((smaller.width * 4 // 5, smaller.height * 4 // 5)).save(folder / "smaller.png")
    return folder


def _make_up(settings: Settings) -> None:
    """A gallery of people who do not exist, to measure thresholds on: templates drawn by chance, no photos."""
    rng = np.random.default_rng(5)
    model_id, dimension = embedder_identity(settings)
    points = np.array([[1, 1], [3, 1], [2, 2], [1, 3], [3, 3]], np.float32)
    items = []
    for person in range(_MADE_UP):
        own = rng.standard_normal(dimension)
        for photo in range(4):
            drawn = own + rng.uniform(0.45, 1.25) * rng.standard_normal(dimension)
            unit = (drawn / np.linalg.norm(drawn)).astype(np.float32)
            sha256 = f"{person:032x}{photo:032x}"
            sample = NewSample(f"{person}-{photo}.png", sha256, (0, 0, 4, 4), points, 0.9, (4, 4), unit, 10.0)
            items.append((f"Made up {person:03}", sample))
    scribe = Scribe("ada", Anchor(settings.home))
    with Gallery.open(settings.gallery, model_id, dimension, scribe=scribe) as made:
        made.enrol_many(items)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 180
    while True:
        try:
            with urlopen(f"{url}/_stcore/health", timeout=2):  # noqa: S310 - loopback
                return
        except (URLError, OSError):
            if server.poll() is not None or time.monotonic() > until:
                raise SystemExit("the app did not start: try `knownface web` by hand") from None
            time.sleep(0.2)


def _take(
    url: str,
    samples: dict[str, Sample],
    look: Look,
    shown: dict[str, list[str]],
    enrolled: list[str],
    pictures: Path | None = None,
) -> None:
    chromium = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if chromium is None:
        raise SystemExit("no Chromium was found: install one (Debian: apt-get install chromium)")
    flags = ["--disable-gpu", "--disable-quic", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(90_000)
        for name in enrolled:
            _enrol(page, url, samples[name])
        if pictures is not None:
            _run(page, url, pictures)
        page.close()
        looks = [(1280, "light")] if not look.every else [(w, s) for w in (1280, 390) for s in ("light", "dark")]
        for width, scheme in looks:
            look.folder.mkdir(parents=True, exist_ok=True)
            page = browser.new_page(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
            for name in [*(["start"] if look.every and enrolled else []), *shown]:
                _show(page, url, name, [samples[file] for file in shown.get(name, [])])
                height = _HEIGHTS.get((width, name), 1000 if width > 400 else 1700)
                page.set_viewport_size({"width": width, "height": height})
                page.wait_for_timeout(800)
                suffix = f"-{width}-{scheme}" if look.every else ""
                page.screenshot(path=look.folder / f"{name}{suffix}.png")
                page.set_viewport_size({"width": width, "height": 1000})
            page.close()
        browser.close()


def _enrol(page: Page, url: str, sample: Sample) -> None:
    page.goto(f"{url}/enrol")
    box = page.get_by_role("textbox", name="Name")
    box.fill(sample.person)
    box.press("Enter")
    page.locator("input[type=file]").set_input_files(sample.path)
    page.get_by_role("button", name="Enrol 1 photo").click()
    page.get_by_text("Enrolled:").first.wait_for()


def _run(page: Page, url: str, pictures: Path) -> None:
    page.goto(f"{url}/batch")
    page.get_by_role("textbox", name="Name of the run").fill("Space and politics")
    page.get_by_role("textbox", name="Folder").fill(str(pictures))
    page.get_by_role("button", name="Start the run").click()
    page.get_by_text("Open the report").wait_for()


def _show(page: Page, url: str, name: str, samples: list[Sample]) -> None:
    page.goto(url if name == "start" else f"{url}/{name}")
    page.get_by_role("heading", level=1).wait_for()
    if name == "calibrate":
        page.locator(".js-plotly-plot").nth(1).wait_for()
    if name == "challenge":
        page.get_by_role("button", name="Tell me what to do").click()
        page.locator(".kf-card").wait_for()
    if name == "verify":
        for place, sample in enumerate(samples):
            page.locator("input[type=file]").nth(place).set_input_files(sample.path)
            page.locator(".kf-photo").nth(place).wait_for()
        page.locator(".kf-card").wait_for()
    elif samples:
        if name == "enrol":
            box = page.get_by_role("textbox", name="Name")
            box.fill("Eileen Collins")
            box.press("Enter")
        page.locator("input[type=file]").set_input_files([sample.path for sample in samples])
        page.locator(".kf-photo").nth(len(samples) - 1).wait_for()
    page.wait_for_timeout(2500)


def _write_credits(samples: dict[str, Sample]) -> None:
    lines = ["# Credits of the photos in these pictures", ""]
    lines += ["Made by `scripts/screenshots`. Every photo shown is in the public domain.", ""]
    lines += ["| shown in | photo | by | terms | source |", "|---|---|---|---|---|"]
    shown = {name: files + _SEEN_TOO.get(name, []) for name, files in _SHOWN.items()}
    for file in sorted({file for files in shown.values() for file in files}):
        sample, places = samples[file], ", ".join(name for name, files in shown.items() if file in files)
        lines.append(f"| {places} | {sample.title} | {sample.credit} | {sample.licence} | <{sample.page}> |")
    (_IMAGES / "CREDITS.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
