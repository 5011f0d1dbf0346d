"""`knownface web`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.context import Context
from app.cli.web_options import Place, environment, options
from pipeline.errors import GalleryError, VaultLockedError

_PAGE = Path(__file__).resolve().parent.parent / "web" / "server.py"


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command()(web)


def web(
    ctx: typer.Context,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 8501,
    address: Annotated[
        str, typer.Option("--address", help="Address to listen on; any other than 127.0.0.1 takes users who log in.")
    ] = "127.0.0.1",
    url: Annotated[
        str, typer.Option("--url", help="What people type, where that is a name or a proxy: https://faces.example.org")
    ] = "",
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate (PEM), for https.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key (PEM).")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")] = True,
) -> None:
    """Open the web page. It answers on this machine only, unless --address says otherwise."""
    context: Context = ctx.obj
    settings = context.settings
    from pipeline.gallery import label_of
    from pipeline.weights import ModelStore

    place = Place.checked(settings, address, port, url, tls_cert, tls_key)
    _need_key(context)
    store = ModelStore(settings.models_dir)
    for name in (settings.detector, settings.embedder):
        store.installed(name)
    place.check_free()
    for warning in place.warnings():
        context.note(warning)
    gallery = label_of(settings.gallery_location)
    context.note(f"Knownface is at {place.shown_url} (stop it with Ctrl-C); gallery: {gallery}")
    # -P: a streamlit.py in the folder where this is started is not the one that runs
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(_PAGE)]
    command += options(place, browser=browser and place.local and not place.url, max_bytes=settings.max_bytes)
    variables = environment(place, settings, context.config)
    if os.name == "posix":  # the server takes this process's place, so that whoever stops the one stops the other
        os.execve(sys.executable, command, variables)  # noqa: S606 - our own command line
    try:
        code = subprocess.run(command, env=variables, check=False).returncode  # noqa: S603 - our own command line
    except KeyboardInterrupt:
        code = 0
    raise typer.Exit(code)


def _need_key(context: Context) -> None:
    """Says here, and not on every page, that the key of an encrypted gallery is missing.

    Raises:
        VaultLockedError: It is, or it is another's.
    """
    try:
        context.file_keys.current()
    except VaultLockedError:
        raise
    except GalleryError as error:  # the pages say so, and go on when the server of the database is there again
        context.note(error.message)
