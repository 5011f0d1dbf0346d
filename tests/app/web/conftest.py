"""The pages with a fake recognizer and a real gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from re import sub

import cv2
import pytest
from streamlit.testing.v1 import AppTest

from app.photos import Upload
from app.services import Services
from app.web import guard, state
from pipeline.config import Settings
from pipeline.gallery import Gallery
from tests import fakes

File = tuple[str, bytes, str]
Page = Callable[[str], AppTest]


def photo(*colours: tuple[int, int, int], name: str = "photo.png", note: int = 0) -> File:
    """An upload that shows a face per colour; `note` makes the bytes differ."""
    picture = fakes.bars(*colours)
    picture[0, 0, 0] ^= note
    done, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert done
    return name, bytes(data), "image/png"


def said(at: AppTest) -> str:
    """All HTML of the page, as it is sent."""
    return "\n".join(element.proto.body for element in at.get("html"))


def seen(at: AppTest) -> str:
    """The words a reader of that HTML sees."""
    return unescape(sub(r"<[^>]*>", "", said(at)))


@pytest.fixture(autouse=True)
def at_this_machine(monkeypatch: pytest.MonkeyPatch, isolated_home: Path) -> Iterator[None]:
    """Nobody has to log in: the server answers this machine only, and there are no users."""
    monkeypatch.setenv("KNOWNFACE_WEB_ADDRESS", "127.0.0.1")
    guard.guard.cache_clear()
    yield
    guard.guard.cache_clear()


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """What every page gets: coloured bars for faces, and a gallery of its own."""
    service = Services(
        Settings(home=tmp_path, embedder=fakes.MODEL_ID.partition("@")[0], max_pixels=100_000, max_bytes=200_000)
    )
    service._recognizer = fakes.fake_recognizer()
    service._gallery = Gallery.open(tmp_path / "gallery", fakes.MODEL_ID, fakes.DIMENSION)
    service.__dict__["points"] = fakes.points()
    monkeypatch.setattr(state, "services", lambda: service)
    yield service
    service.close()


@pytest.fixture
def page(services: Services) -> Page:
    """Opens a page by its name."""

    def opened(name: str) -> AppTest:
        script = f"from app.web import page_{name}\npage_{name}.show()"
        return AppTest.from_string(script, default_timeout=180).run()

    return opened


@pytest.fixture
def enrolled(services: Services) -> Callable[..., None]:
    """Enrols a person without the page."""

    def enrol(name: str, *colours: tuple[int, int, int]) -> None:
        for note, colour in enumerate(colours, 1):
            file, data, _ = photo(colour, name=f"{name}-{note}.png".replace("/", "-"), note=note)
            (row,) = services.enrol(name, [Upload(file, data)])
            assert row.error is None

    return enrol
