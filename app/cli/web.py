"""`knownface web`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.context import Context
from pipeline.errors import ConfigError

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
    from pipeline.gallery import label_of
    from pipeline.weights import ModelStore

    store = ModelStore(settings.models_dir)
    for name in (settings.detector, settings.embedder):
        store.installed(name)
    _check_free(port)
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("STREAMLIT_")}
    environment = inherited | theme.environment()
    environment.update(KNOWNFACE_GALLERY=settings.gallery_location, KNOWNFACE_HOME=str(settings.home))
    if context.config:
        environment["KNOWNFACE_CONFIG"] = str(context.config.resolve())
    gallery = label_of(settings.gallery_location)
    context.note(f"Knownface is at http://127.0.0.1:{port} (stop it with Ctrl-C); gallery: {gallery}")
    # -P: a streamlit.py in the folder where this is started is not the one that runs
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(_PAGE)]
    command += _options(port, browser=browser, max_bytes=settings.max_bytes)
    if os.name == "posix":  # the server takes this process's place, so that whoever stops the one stops the other
        os.execve(sys.executable, command, environment)  # noqa: S606 - our own command line
    try:
        code = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - our own command line
    except KeyboardInterrupt:
        code = 0
    raise typer.Exit(code)


def _check_free(port: int) -> None:
    """Refuses a port that something else listens on.

    Raises:
        ConfigError: It is taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":  # as the server does: a port that was in use a moment ago may be taken again
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(f"port {port} cannot be used ({error.strerror}): choose another with --port") from error


def _options(port: int, *, browser: bool, max_bytes: int) -> list[str]:
    """Streamlit's options. What guards the page is given even where it is Streamlit's default.

    The command line overrules the .streamlit/config.toml of the user and of the folder where this is started.
    allowedHosts is what keeps out a site that makes its name lead to 127.0.0.1 (DNS rebinding): it counts as the same
    origin, so that neither CORS nor XSRF protection refuses it.
    """
    options = {
        "global.developmentMode": "false",
        "server.address": "127.0.0.1",
        "server.port": str(port),
        "server.baseUrlPath": "",
        "server.headless": "false" if browser else "true",
        "server.showEmailPrompt": "false",
        "server.maxUploadSize": str(max(1, max_bytes // (1024 * 1024))),
        "server.fileWatcherType": "none",
        "server.enableCORS": "true",
        "server.corsAllowedOrigins": f"http://127.0.0.1:{port}",
        "server.enableXsrfProtection": "true",
        "server.xsrfCookieSameSite": "lax",
        "server.enableStaticServing": "false",
        "server.enableAgentApi": "false",
        "browser.serverAddress": "127.0.0.1",
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "client.toolbarMode": "minimal",
    }
    hosts = [f"--server.allowedHosts={host}" for host in ("127.0.0.1", "localhost")]
    return [*(f"--{name}={value}" for name, value in options.items()), *hosts]
