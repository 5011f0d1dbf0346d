"""`knownface api`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.context import Context
from app.cli.web_options import Place


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command()(api)


def api(
    ctx: typer.Context,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 8600,
    address: Annotated[
        str, typer.Option("--address", help="Address to listen on; any other than 127.0.0.1 takes API keys.")
    ] = "127.0.0.1",
    rate: Annotated[int, typer.Option("--rate", min=0, help="Requests a minute of one key; 0 for any number.")] = 600,
    batch: Annotated[
        int, typer.Option("--batch", min=1, max=64, help="Photos of several requests looked at together, at most.")
    ] = 1,
) -> None:
    """Serve the same verbs over HTTP, for programs. It is on this machine only, unless --address says otherwise."""
    context: Context = ctx.obj
    settings = context.settings
    from app.access.keys import Keys
    from app.access.tokens import Tokens
    from pipeline.errors import ConfigError, ExtraMissingError

    place = Place.listening(address, port)
    if not Tokens(settings.home).accepted() and not place.local and not Keys(settings.home).any():
        raise ConfigError(
            f"{place.address}: other machines would reach every face and name without a key: make one first "
            "(`knownface users key add NAME --role operator`), or name a provider of tokens in oidc.toml"
        )
    try:
        from app.api.server import serve
    except ModuleNotFoundError as error:
        raise ExtraMissingError(
            f"the service needs {error.name}, which is not installed: pip install 'knownface[api]'"
        ) from error
    from app.api.state import Limits, State

    place.check_free()
    if not place.local:
        context.note("without https keys and photos travel unprotected: put a proxy that does https in front of it")
    services = context.services()
    _ = services.gallery, services.recognizer  # what is missing is said here, and not by the first request
    limits = Limits(per_minute=rate, batch=batch)
    state = State(services, limits, local=place.local, config=context.config)
    context.note(
        f"the service is at {place.shown_url} (stop it with Ctrl-C); what it knows: {place.shown_url}/openapi.json"
    )
    serve(state, place.address, place.port)
