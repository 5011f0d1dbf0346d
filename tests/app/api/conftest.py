"""A service that believes a provider of identities; files about something else have a `client` of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tokens_world import CURVE, KEY, Clock

from app.access.tokens import Tokens
from app.api.state import State
from tests.api_server import client_of, made_state
from tests.asgi import TestClient
from tests.identity_provider import Identity, serving


@pytest.fixture
def identity() -> Iterator[Identity]:
    with serving([KEY, CURVE]) as made:
        yield made


@pytest.fixture
def state(identity: Identity, tmp_path: Path) -> State:
    made = made_state(tmp_path)
    identity.write(made.services.settings.home)
    return made


@pytest.fixture
def clock(state: State) -> Clock:
    made = Clock()
    state.tokens = Tokens(state.services.settings.home, forward=made)
    return made


@pytest.fixture
def client(state: State, clock: Clock) -> Iterator[TestClient]:
    with client_of(state) as made:
        yield made
