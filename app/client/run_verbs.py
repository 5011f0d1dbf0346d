"""What can be asked of a server about runs and unknown people, and the events that a run is followed by."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from app.client import reading
from app.client.calls import Call, consent_form, nothing, path_of
from app.client.core import Effect, Lines, Pause, Row, Rows, Steps, ask, begun, done, more, way
from app.client.photos import PhotoLike, in_run, upload_of
from app.client.problems import unreachable
from app.client.rows import FailedFile, NamedUnknown, RunFace, RunState, Unknown, UnknownInfo, run_row
from pipeline.errors import RunNameError, ServiceError, UnknownClusterError

if TYPE_CHECKING:
    from app.photos import Upload
    from pipeline.gallery import NewConsent

Read = TypeVar("Read")
#: Between two questions about a run that is not followed by events.
ASK_S = 5.0

# --- unknown people -------------------------------------------------------------------------------------------


def unknowns(*, everybody: bool = False) -> Steps[list[UnknownInfo]]:
    """Whom nobody has named."""
    return ask(Call("GET", path_of("unknowns"), reading.unknowns, query={"all": str(everybody).lower()}))


def unknown(cluster: str) -> Steps[Unknown]:
    """One of them."""
    return ask(Call("GET", of_unknown(cluster), reading.unknown))


def name_unknown(
    cluster: str, subject: str, *, samples: int = 5, consent: NewConsent | None = None
) -> Steps[NamedUnknown]:
    """Gives one of them a name."""
    body: dict[str, Any] = {"subject": subject, "samples": samples}

    def read(said: dict[str, Any]) -> NamedUnknown:
        counts = said["faces"], said["recognised"]
        return NamedUnknown(said["cluster"], said["subject"], tuple(said["sample_ids"]), *counts)

    path = of_unknown(cluster, "name")
    return ask(Call("POST", path, read, again=False, body=body | consent_form(consent)))


def merge_unknowns(one: str, other: str) -> Steps[str]:
    """Says that two of them are one."""
    return ask(Call("POST", of_unknown(one, "merge"), _cluster, again=False, body={"cluster": other}))


def split_unknown(cluster: str, face_ids: Iterable[str]) -> Steps[str]:
    """Says that some faces are somebody else."""
    path = of_unknown(cluster, "split")
    return ask(Call("POST", path, _cluster, again=False, body={"faces": list(face_ids)}))


def _cluster(said: dict[str, Any]) -> str:
    return str(said["cluster"])


# --- runs -----------------------------------------------------------------------------------------------------


def runs() -> Steps[list[RunState]]:
    """Every run."""
    return ask(Call("GET", path_of("runs"), lambda said: [reading.run_state(one) for one in said["runs"]]))


def run(name: str) -> Steps[RunState]:
    """How far a run is."""
    return ask(Call("GET", of_run(name), reading.run_state))


def start_run(name: str, folder: str | Path) -> Steps[None]:
    """Starts a run over a folder of the server."""
    return ask(Call("POST", path_of("runs"), nothing, again=False, body={"name": name, "folder": str(folder)}))


def stop_run(name: str) -> Steps[RunState]:
    """Asks a run to end."""
    return ask(Call("POST", of_run(name, "stop"), reading.run_state))


def remove_run(name: str) -> Steps[None]:
    """Erases a run."""
    return ask(Call("DELETE", of_run(name), nothing, again=False))


def start_run_of(name: str, photos: Iterable[PhotoLike]) -> Steps[int]:
    """Starts a run over photos, which go as a zip."""
    uploads = []
    for photo in photos:
        uploads.append((yield from done(partial(upload_of, photo))))  # noqa: PERF401 - a comprehension cannot yield
    path, headers = of_run(name, "zip"), {"Content-Type": "application/zip"}
    content = yield from done(lambda: packed(uploads))
    call = Call("POST", path, lambda said: int(said["photos"]), again=False, headers=headers, content=content)
    return (yield from ask(call))


def follow(name: str) -> Rows[RunState]:
    """How far a run is: server-sent events; where they break off they are asked for again."""
    seen, way_ = _Seen(), (yield from way())
    while (error := (yield from _followed(name, seen))) is not None:
        yield way_.after_loss(error, seen.attempt, again=True)
        seen.attempt += 1


def results(name: str) -> Rows[RunFace | FailedFile]:
    """Every face of a run, then every file that gave none."""
    base = (yield from way()).base
    try:
        stream, lines = (yield from begun(of_run(name, "results"))), Lines()
        while (some := (yield from more(stream, lines))) is not None:
            for line in some:
                yield Row(result_of(line))
    except httpx.TransportError as error:
        raise unreachable(base, error) from error


@dataclass
class _Seen:
    """What was said of a run, and how often nothing came since."""

    last: RunState | None = None
    attempt: int = 0

    def told(self, state: RunState) -> Rows[RunState]:
        """The state, where it is another one."""
        self.attempt = 0
        if state != self.last:
            yield Row(state)
        self.last = state


def _followed(name: str, seen: _Seen) -> Generator[Effect | Row[RunState], Any, httpx.TransportError | None]:
    """The events once, until they break off; returns None when the run has ended.

    Where the server follows too many runs already one state is asked for a little later.
    """
    try:
        stream, lines = (yield from begun(of_run(name, "events"))), Lines()
        while (some := (yield from more(stream, lines))) is not None:
            for state in filter(None, map(event_of, some)):
                yield from seen.told(state)
                if state.ended:
                    return None
    except httpx.TransportError as lost:
        return lost
    except ServiceError as refused:
        if refused.problem != "overloaded":
            raise
        yield Pause(ASK_S)
        state = yield from run(name)
        yield from seen.told(state)
        if state.ended:
            return None
    return httpx.RemoteProtocolError("the events broke off")


def packed(photos: Iterable[Upload]) -> bytes:
    """A zip of photos, not compressed, each under a name of its own."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for number, photo in enumerate(photos, 1):
            archive.writestr(f"{number:05d}/{in_run(photo.name)}", photo.data)
    return stream.getvalue()


def of_run(name: str, *more: str) -> str:
    """The address of a run. Raises RunNameError."""
    if not name:
        raise RunNameError("a run has a name of at least one character: give it one")
    return path_of("runs", name, *more)


def of_unknown(cluster: str, *more: str) -> str:
    """The address of an unknown person. Raises UnknownClusterError."""
    if not cluster:
        raise UnknownClusterError("a cluster is called something like U-0001: `unknowns()` lists them")
    return path_of("unknowns", cluster, *more)


def event_of(line: bytes) -> RunState | None:
    """What a line of the events says; None where it is no data."""
    name, _, data = line.partition(b":")
    return _read(reading.run_state, data) if name == b"data" else None


def result_of(line: bytes) -> RunFace | FailedFile:
    """A line of the results."""
    return _read(lambda said: run_row(said, said.get("model_id") or ""), line)


def _read(read: Callable[[Any], Read], line: bytes) -> Read:
    try:
        return read(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServiceError(
            "the server said of a run what this version does not understand: is it the right address, and are client "
            "and server of one version?"
        ) from error
