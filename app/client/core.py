"""What both clients are made of, without any input or output: each verb is written once, as a generator of steps.

A verb yields what it wants done and is sent what came of it; a client does it, blocking or for asyncio, in a few lines
(`sync`, `asynchronous`). So retries, pages, events and the order of requests cannot differ between the two. A verb of
one result returns it (`Steps`); one of many yields each as a `Row` in between (`Rows`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Generic, TypeAlias, TypeVar

import httpx

from app.client.calls import Call
from app.client.problems import error_of, unreachable
from app.client.protocol import FaceService
from app.client.reading import Page
from app.client.retrying import Retry

Result = TypeVar("Result")
Wanted = TypeVar("Wanted")


@dataclass(frozen=True, slots=True)
class Send:
    """A request to be sent once. Comes back: the `httpx.Response`, its body read, or an `httpx.TransportError`."""

    call: Call[Any]


@dataclass(frozen=True, slots=True)
class Begin:
    """An address whose answer comes bit by bit. Comes back: a `Stream`, or an `httpx.TransportError`."""

    path: str


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that comes bit by bit.

    Attributes:
        response: The answer; its body was read where it is no success.
        parts: An iterator over bytes, of the kind the client has.
    """

    response: httpx.Response
    parts: Any


@dataclass(frozen=True, slots=True)
class More:
    """The next bit of it. Comes back: bytes, None at the end, or an `httpx.TransportError`."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Pause:
    """Some time to let pass. Comes back: None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Do:
    """Something of this machine that takes a while, such as reading a photo. Comes back: what it returns."""

    act: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class How:
    """Asks how the client goes about it. Comes back: a `Way`."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a client goes about it.

    Attributes:
        retry: What is sent again.
        base: Where the server is.
    """

    retry: Retry
    base: httpx.URL

    def after_loss(self, error: httpx.TransportError, attempt: int, *, again: bool) -> Pause:
        """What to wait until a request is sent again whose answer did not come.

        Raises:
            ServiceUnreachableError: It is not sent again.
        """
        seconds = self.retry.after_loss(error, attempt, again=again)
        if seconds is None:
            raise unreachable(self.base, error) from error
        return Pause(seconds)


@dataclass(frozen=True, slots=True)
class Row(Generic[Result]):
    """One result of many. Comes back: None, when the next one is wanted."""

    value: Result


@dataclass(frozen=True, slots=True)
class End(Generic[Result]):
    """That a verb is done, and its result."""

    value: Result


Effect: TypeAlias = Send | Begin | More | Pause | Do | How
Steps: TypeAlias = Generator[Effect, Any, Result]
"""A verb of one result."""
Rows: TypeAlias = Generator[Effect | Row[Result], Any, None]
"""A verb of many."""


def following(
    steps: Generator[Wanted, Any, Result], value: object = None, error: httpx.TransportError | None = None
) -> Wanted | End[Result]:
    """What a verb wants next, given what came of the step before; begins it where nothing was before."""
    try:
        return steps.send(value) if error is None else steps.throw(error)
    except StopIteration as end:
        return End(end.value)


# --- steps that verbs are made of -----------------------------------------------------------------------------


def done(act: Callable[[], Result]) -> Steps[Result]:
    """What `act` returns."""
    result: Result = yield Do(act)
    return result


def way() -> Steps[Way]:
    """How the client goes about it."""
    found: Way = yield How()
    return found


def ask(call: Call[Result]) -> Steps[Result]:
    """Sends a request, again where that helps and harms nothing. Errors: of the problem document."""
    manners, attempt = (yield from way()), 0
    while True:
        try:
            response: httpx.Response = yield Send(call)
        except httpx.TransportError as error:
            pause = manners.after_loss(error, attempt, again=call.again)
        else:
            seconds = manners.retry.after_answer(response, attempt, again=call.again)
            if seconds is None:
                return call.result(response)
            pause = Pause(seconds)
        yield pause
        attempt += 1


def pages(page: Callable[[str | None], Call[Page[Result]]]) -> Rows[Result]:
    """Every row of every page, as far as they are wanted."""
    cursor: str | None = None
    while True:
        found = yield from ask(page(cursor))
        for row in found.rows:
            yield Row(row)
        if (cursor := found.cursor) is None:
            return


def begun(path: str) -> Steps[Stream]:
    """An answer that comes bit by bit. Errors: of the problem document, and `httpx.TransportError`."""
    stream: Stream = yield Begin(path)
    if not stream.response.is_success:
        raise error_of(stream.response)
    return stream


def more(stream: Stream, lines: Lines) -> Steps[list[bytes] | None]:
    """The lines that are whole by now; None at the end. Errors: `httpx.TransportError`."""
    part: bytes | None = yield More(stream)
    return None if part is None else list(lines.feed(part))


class Lines:
    """Bytes as they come into lines; only a line feed ends one, whatever else there is in a name."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, part: bytes) -> Iterator[bytes]:
        """The lines that are whole by now."""
        *whole, self._rest = (self._rest + part).split(b"\n")
        yield from whole


# --- a verb as a method ---------------------------------------------------------------------------------------


def shown_as(method: Callable[..., Any], verb: Callable[..., Any], result: str) -> None:
    """Makes a method look to `help` as `FaceService` describes it.

    Args:
        method: Of a client.
        verb: Whose arguments it takes.
        result: What stands around the type of a result, such as `Iterator[{}]`.
    """
    update_wrapper(method, verb)
    signature = inspect.signature(verb)
    me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    inner = str(signature.return_annotation).partition("[")[2].removesuffix("]")
    described = getattr(FaceService, verb.__name__, verb)
    method.__doc__ = described.__doc__
    vars(method)["__signature__"] = signature.replace(
        parameters=[me, *signature.parameters.values()], return_annotation=result.format(inner)
    )
