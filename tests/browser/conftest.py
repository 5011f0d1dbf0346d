"""A real server and a real Chromium. Both are stopped by their own process at the end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect, sync_playwright

REPOSITORY = Path(__file__).resolve().parent.parent.parent
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
_KNOWNFACE = "import sys; from app.cli.main import main; sys.exit(main())"
PATIENCE_MS = 90_000  # what is amiss is found as well; a machine with much else to do is not taken for it
_START_S = 300


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/_stcore/health", timeout=2) as reply:  # noqa: S310 - loopback
            return bool(reply.status == 200)
    except (URLError, OSError):
        return False


@contextmanager
def serving(folder: Path, home: Path, *given: str, **variables: str) -> Iterator[str]:
    """The address of `knownface web` with an empty gallery, started in `folder` with these options."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-P", "-c", _KNOWNFACE, "--gallery", str(folder / "gallery")]
    command += ["web", "--no-browser", "--port", str(port), *given]
    environment = dict(os.environ, KNOWNFACE_HOME=str(home), PYTHONPATH=str(REPOSITORY), **variables)
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + _START_S
        while not answers(url):
            assert process.poll() is None, (folder / "log.txt").read_text()
            assert time.monotonic() < until, f"the server did not answer within {_START_S} s"
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)
        assert not answers(url), "the server outlived its process"
    log_text = (folder / "log.txt").read_text()
    assert "Traceback" not in log_text, log_text


def home_of_its_own(folder: Path, models_home: Path) -> Path:
    """A data folder without users, policy or settings, with the models."""
    home = folder / "home"
    home.mkdir()
    (home / "models").symlink_to(models_home / "models", target_is_directory=True)
    return home


@pytest.fixture(scope="module")
def server(models_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server for the stories of one file."""
    folder = tmp_path_factory.mktemp("web")
    with serving(folder, home_of_its_own(folder, models_home)) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    chromium = next(filter(None, map(shutil.which, _NAMES)), None)
    if chromium is None:
        pytest.skip("no Chromium was found: install one to run the browser tests (Debian: apt-get install chromium)")
    flags = [*_FLAGS, *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield instance
        instance.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh browser session; at the end no script of the page has failed and no dialog was opened."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    tab = context.new_page()
    failures: list[str] = []

    def refuse(dialog: Dialog) -> None:
        failures.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    tab.on("pageerror", lambda error: failures.append(str(error)))
    tab.on("dialog", refuse)
    yield tab
    context.close()
    assert not failures, failures
