"""A service with fakes: bars for photos (`tests.fakes`), a gallery of its own, and a client that talks to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.access import Role
from app.access.keys import Keys
from app.api.application import make_app
from app.api.state import Limits, State
from app.services import Services
from pipeline.config import Settings
from pipeline.gallery import Anchor, Gallery, Scribe
from pipeline.recognizer import Recognizer
from tests import fakes
from tests.asgi import TestClient

Photo = tuple[str, bytes, str]


def made_state(folder: Path, recognizer: Recognizer | None = None, **limits: Any) -> State:
    settings = Settings(home=folder / "home", workers=2, max_bytes=200_000, embedder=fakes.MODEL_ID.partition("@")[0])
    settings.home.mkdir(parents=True, exist_ok=True)
    services = Services(settings)
    services._recognizer = recognizer or fakes.fake_recognizer()
    scribe = Scribe("tests", Anchor(settings.home))
    services._gallery = Gallery.open(folder / "gallery", fakes.MODEL_ID, fakes.DIMENSION, scribe=scribe)
    services.__dict__["points"] = fakes.points()
    return State(services, Limits(**{"per_minute": 0, **limits}))


def client_of(state: State, key: str | None = None) -> TestClient:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return TestClient(make_app(state), base_url="http://127.0.0.1:8600", headers=headers)


def key_for(state: State, role: Role, name: str = "robot") -> str:
    return Keys(state.services.settings.home).add(name, role)[1]


def photo(folder: Path, *colours: tuple[int, int, int], name: str = "photo.png", note: int = 0) -> Photo:
    return name, fakes.write_bars(folder / "made" / name, *colours, note=note).read_bytes(), "image/png"
