"""The client for threads: safe to share between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from app.client import model_verbs, right_verbs, run_verbs, verbs
from app.client.core import (
    Begin,
    Do,
    Effect,
    End,
    How,
    More,
    Pause,
    Row,
    Rows,
    Send,
    Steps,
    Stream,
    Way,
    following,
    shown_as,
)
from app.client.retrying import Retry
from app.client.transport import options

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Blocking:
    """Does the steps of verbs, one after the other; what `Client` is made of.

    Args:
        url: Where the server is, such as `https://faces.example.org`.
        key: What `knownface users key add` has shown; None for a server on this machine that wants none.
        retry: What is sent again, and how often.
        timeout_s: Longest silence of the server.
        transport: How it is reached, for certificates or a proxy of one's own; by default as httpx does.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        retry: Retry | None = None,
        timeout_s: float = 120.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(**options(url, key, timeout_s), transport=transport)
        self._way = Way(retry or Retry(), self._http.base_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _one(self, steps: Steps[Result]) -> Result:
        with closing(steps), ExitStack() as streams:
            effect = following(steps)
            while not isinstance(effect, End):
                effect = following(steps, *self._outcome(effect, streams))
            return effect.value

    def _each(self, rows: Rows[Result]) -> Iterator[Result]:
        with closing(rows), ExitStack() as streams:
            effect = following(rows)
            while not isinstance(effect, End):
                if isinstance(effect, Row):
                    yield effect.value
                    effect = following(rows)
                else:
                    effect = following(rows, *self._outcome(effect, streams))

    def _outcome(self, effect: Effect, streams: ExitStack) -> tuple[Any, httpx.TransportError | None]:
        try:
            return self._done(effect, streams), None
        except httpx.TransportError as error:
            return None, error

    def _done(self, effect: Effect, streams: ExitStack) -> Any:
        match effect:
            case Send(call):
                return self._http.request(**call.request())
            case Begin(path):
                streams.close()
                response = streams.enter_context(self._http.stream("GET", path))
                if not response.is_success:
                    response.read()
                return Stream(response, response.iter_bytes())
            case More(stream):
                return next(stream.parts, None)
            case Pause(seconds):
                return time.sleep(seconds)
            case Do(act):
                return act()
            case How():
                return self._way


def one(verb: Callable[Given, Steps[Result]]) -> Callable[Concatenate[Blocking, Given], Result]:
    """A verb of one result as a method."""

    def method(self: Blocking, /, *words: Given.args, **options: Given.kwargs) -> Result:
        return self._one(verb(*words, **options))

    shown_as(method, verb, "{}")
    return method


def each(verb: Callable[Given, Rows[Result]]) -> Callable[Concatenate[Blocking, Given], Iterator[Result]]:
    """A verb of many results as a method."""

    def method(self: Blocking, /, *words: Given.args, **options: Given.kwargs) -> Iterator[Result]:
        return self._each(verb(*words, **options))

    shown_as(method, verb, "Iterator[{}]")
    return method


class Client(Blocking):
    """`FaceService` on a server; any thread may use it.

    Args:
        url: Where the server is, such as `https://faces.example.org`.
        key: What `knownface users key add` has shown; None for a server on this machine that wants none.
        retry: What is sent again, and how often.
        timeout_s: Longest silence of the server.
        transport: How it is reached, for certificates or a proxy of one's own; by default as httpx does.
    """

    ready = one(verbs.ready)
    status = one(verbs.status)
    verify = one(verbs.verify)
    identify = each(verbs.identify)
    enrol = one(verbs.enrol)
    subjects = each(verbs.subjects)
    subject = one(verbs.subject)
    rename = one(verbs.rename)
    merge = one(verbs.merge)
    split = one(verbs.split)
    remove = one(verbs.remove)
    remove_sample = one(verbs.remove_sample)
    erase = one(verbs.erase)
    operating_points = one(verbs.operating_points)
    audit = each(verbs.audit)
    verify_audit = one(verbs.verify_audit)
    consents = one(right_verbs.consents)
    consent = one(right_verbs.consent)
    withdraw = one(right_verbs.withdraw)
    hold = one(right_verbs.hold)
    release = one(right_verbs.release)
    export = one(right_verbs.export)
    unknowns = one(run_verbs.unknowns)
    unknown = one(run_verbs.unknown)
    name_unknown = one(run_verbs.name_unknown)
    merge_unknowns = one(run_verbs.merge_unknowns)
    split_unknown = one(run_verbs.split_unknown)
    runs = one(run_verbs.runs)
    run = one(run_verbs.run)
    start_run = one(run_verbs.start_run)
    start_run_of = one(run_verbs.start_run_of)
    follow = each(run_verbs.follow)
    results = each(run_verbs.results)
    stop_run = one(run_verbs.stop_run)
    remove_run = one(run_verbs.remove_run)
    me = one(model_verbs.me)
    holds = one(model_verbs.holds)
    picture = one(model_verbs.picture)
    unknown_picture = one(model_verbs.unknown_picture)
    face_picture = one(model_verbs.face_picture)
    models = one(model_verbs.models)
    model_change = one(model_verbs.model_change)
    change_model = one(model_verbs.change_model)
    rollback_model = one(model_verbs.rollback_model)
    resume_change = one(model_verbs.resume_change)
    stop_change = one(model_verbs.stop_change)
    calibrate = one(model_verbs.calibrate)
    calibration_job = one(model_verbs.calibration_job)
    stop_calibration = one(model_verbs.stop_calibration)
    clear_calibration = one(model_verbs.clear_calibration)
