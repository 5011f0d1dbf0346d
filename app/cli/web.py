"""`knownface web`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.context import Context

_PAGE = Path(__file__).resolve().parent.parent / "web" / "home.py"


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command()(web)


def web(
    ctx: typer.Context,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on this machine.")] = 8501,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")] = True,
) -> None:
    """Open the web page. It answers on this machine only (127.0.0.1)."""
    context: Context = ctx.obj
    settings = context.settings
    from app.web import theme
    from pipeline.weights import ModelStore

    store = ModelStore(settings.models_dir)
    for name in (settings.detector, settings.embedder):
        store.installed(name)
    environment = dict(os.environ, **theme.environment())
    environment.update(KNOWNFACE_GALLERY=settings.gallery_location, KNOWNFACE_HOME=str(settings.home))
    if context.config:
        environment["KNOWNFACE_CONFIG"] = str(context.config.resolve())
    context.note(f"Knownface is at http://127.0.0.1:{port} (stop it with Ctrl-C); gallery: {settings.gallery_location}")
    options = {
        "server.address": "127.0.0.1",
        "server.port": str(port),
        "server.headless": "false" if browser else "true",
        "server.maxUploadSize": str(max(1, settings.max_bytes // (1024 * 1024))),
        "server.fileWatcherType": "none",
        "server.enableXsrfProtection": "true",
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "client.toolbarMode": "minimal",
    }
    command = [sys.executable, "-m", "streamlit", "run", str(_PAGE)]
    command += [f"--{name}={value}" for name, value in options.items()]
    if os.name == "posix":  # the server takes this process's place, so that whoever stops the one stops the other
        os.execve(sys.executable, command, environment)  # noqa: S606 - our own command line
    try:
        code = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - our own command line
    except KeyboardInterrupt:
        code = 0
    raise typer.Exit(code)
