"""Who acts, for the routes."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from app.api.problems import RefusedError
from app.api.state import State
from app.services import Services

_BEARER = "A key (`knownface users key add NAME --role ROLE` makes one), or a token of the provider in `oidc.toml`."
#: For the OpenAPI document; the gate has looked at the key before.
BEARER = HTTPBearer(auto_error=False, description=_BEARER)


def _state(request: Request) -> State:
    state: State = request.app.state.server
    return state


def _acting(request: Request) -> Services:
    return _state(request).services.acting_as(request.scope["actor"])


Shared = Annotated[State, Depends(_state)]
Acting = Annotated[Services, Depends(_acting)]


def cursor_of(value: Any) -> str:
    """An opaque text that says where a page begins."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def read_cursor(text: str | None) -> str | None:
    """What `cursor_of` was given, a text.

    Raises:
        RefusedError: It is none of ours.
    """
    if text is None:
        return None
    try:
        value = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        json.dumps(value, ensure_ascii=False).encode()  # half of a character is none that a database takes
    except (binascii.Error, ValueError, RecursionError) as error:
        raise RefusedError("request_invalid", "cursor: give what `next` of the page before says") from error
    if not isinstance(value, str):
        raise RefusedError("request_invalid", "cursor: give what `next` of the page before says")
    return value
