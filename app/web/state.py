"""What a session knows: the services it shares with all others, and the photos it has looked at."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import NoReturn, Protocol

import streamlit as st

from app.access import Actor
from app.photos import Upload
from app.report import data_uri
from app.services import Services
from app.web import guard, markup
from app.web.texts import words
from app.web.turns import Turns
from pipeline.errors import KnownfaceError, ModelMissingError, PhotoError, SessionEndedError
from pipeline.recognizer import Faces

_PICTURE_PX = 960
_REMEMBERED = 120  # photos a session remembers: their faces and a small picture, not their pixels
_PULL = "knownface models pull"
_CHOSEN = ("detector", "refiner", "liveness", "eyes")
#: Photos looked at at the same time by all sessions together, whatever their number. Decoding takes 3 bytes a pixel of
#: an ordinary JPEG, and up to 16 of a GIF, a PNG or a CMYK JPEG: measured, 1.1 to 1.6 GB with 100 million pixels, the
#: limit of the settings. So large photos take turns: at worst there is one of them and one of 25 million pixels
#: (0.4 GB). Where 2 GB are too much, `max_pixels` in the settings is what lowers it.
_SLOTS = Turns(2)
_LARGE = threading.Lock()
_LARGE_PIXELS = 25_000_000


class Uploaded(Protocol):
    """What Streamlit hands over: kept in memory, never on disk."""

    @property
    def file_id(self) -> str:
        """Identity of the upload."""
        ...

    @property
    def name(self) -> str:
        """What the file is called."""
        ...

    @property
    def size(self) -> int:
        """How many bytes it has."""
        ...

    def getvalue(self) -> bytes:
        """The bytes."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A photo that was looked at.

    Attributes:
        key: Identity of the upload.
        name: What the photo is called.
        faces: Its faces, None where it could not be used.
        picture: A small version as a `data:` address, "" where there is none.
        error: Why it could not be used.
        stack: The models that were in use.
    """

    key: str
    name: str
    faces: Faces | None = None
    picture: str = ""
    error: PhotoError | None = None
    stack: tuple[str, ...] = ()


@st.cache_resource(show_spinner=False)
def shared() -> Services:
    """The one recognizer and gallery of this process. Which ones, the environment says (`knownface web` sets it).

    Raises:
        ConfigError: The settings cannot be used.
    """
    return Services(guard.settings())


def follow_choice() -> None:
    """Takes over another detector, refiner, or model for liveness or eyes, that the settings name by now.

    Whoever is in the middle of something finishes it with those of before.
    """
    if guard.settings().model_dump(include=set(_CHOSEN)) != shared().settings.model_dump(include=set(_CHOSEN)):
        shared.clear()


def services() -> Services:
    """The same for whoever looks at the page: what their role does not allow is refused. Every page begins with it.

    Raises:
        ConfigError: The settings cannot be used.
        SessionEndedError: Nobody is logged in where one has to be.
    """
    found = shared()
    found.reread_policy()
    return found.acting_as(actor())


def actor() -> Actor:
    """Who looks at the page.

    Raises:
        SessionEndedError: Nobody who is logged in, where one has to be.
    """
    watching = guard.guard()
    found = watching.actor(st.context.cookies.get(watching.cookie))
    if found is None:
        raise SessionEndedError("the session has ended: log in again")
    return found


@contextmanager
def sentences() -> Iterator[None]:
    """Turns every error that has a sentence into a message on the page; the rest of the block is left out."""
    try:
        yield
    except ModelMissingError as error:
        models_missing(error)
    except SessionEndedError:
        session_ended()
    except KnownfaceError as error:
        st.html(markup.note("bad", markup.error(error)))
    except OSError as error:
        st.html(markup.note("bad", markup.fill(words.unexpected_system, message=error.strerror or str(error))))


def again() -> NoReturn:
    """Draws the page anew; where somebody has clicked meanwhile, what they clicked is done instead.

    `st.rerun` asks for the page that it is called on, in place of whatever waits: who had just chosen another page
    stayed on this one. An element is where Streamlit looks whether something waits, and that draws all anew too.
    """
    st.empty()
    st.rerun()


def session_ended() -> None:
    """How to go on when one has to log in again."""
    link = f'<a href="/login" target="_self">{markup.text(words.login_do)}</a>'
    content = f"<b>{markup.text(words.session_ended)}</b><p>{markup.text(words.session_ended_how)} {link}</p>"
    st.html(markup.note("warn", content))


def models_missing(error: ModelMissingError) -> None:
    """What to do when there are no models."""
    content = f"<b>{markup.text(words.models_missing)}</b><p>{markup.foreign(error.message)}</p>"
    st.html(markup.note("warn", content + f"<p>{markup.text(words.models_missing_how)}</p>"))
    st.code(_PULL, language=None)


def look(service: Services, upload: Uploaded) -> Seen:
    """The faces of a photo and a small picture of it; remembered, so that each photo is looked at once a session.

    And once more after the gallery went over to another model: templates of two models do not compare.
    """
    memory: OrderedDict[str, Seen] = st.session_state.setdefault("kf_seen", OrderedDict())
    service.open_gallery_if_there()
    if upload.file_id in memory and _current(service, memory[upload.file_id]):
        memory.move_to_end(upload.file_id)
        return memory[upload.file_id]
    with _SLOTS.turn():
        seen = _look(service, upload)
    memory[upload.file_id] = seen
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)
    return seen


def _current(service: Services, seen: Seen) -> bool:
    """Whether it was looked at with the model that the gallery is searched with by now."""
    if seen.faces is None:
        return True
    return seen.stack == _stack(service) and seen.faces.templates.model_id == service.recognizer.model_id


def _stack(service: Services) -> tuple[str, ...]:
    """What a choice of models decides besides the embedder, which the gallery says."""
    return tuple(getattr(service.settings, task) for task in _CHOSEN)


def forget_others(keys: Collection[str]) -> None:
    """Drops the photos that are no longer on the page: what a session holds is what its page shows."""
    memory: OrderedDict[str, Seen] = st.session_state.get("kf_seen", OrderedDict())
    for key in [key for key in memory if key not in keys]:
        del memory[key]


def remembered(upload: Uploaded) -> bool:
    """Whether `look` will answer at once."""
    return upload.file_id in st.session_state.get("kf_seen", ())


@contextmanager
def turn() -> Iterator[None]:
    """In this block, something large is looked at, and others wait for their turn."""
    with _SLOTS.turn():
        yield


def _look(service: Services, upload: Uploaded) -> Seen:
    try:
        photo = service.open(Upload(upload.name, upload.getvalue()))
        height, width = photo.image_hw
        with _LARGE if height * width > _LARGE_PIXELS else nullcontext():
            faces = service.recognizer.analyse(photo)
            picture = data_uri(photo.thumbnail(_PICTURE_PX))
            return Seen(upload.file_id, photo.source, faces, picture, stack=_stack(service))
    except PhotoError as error:
        return Seen(upload.file_id, upload.name, error=error)
