"""The requests about runs and unknown people, and the events that a run is followed by."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from app.client import reading
from app.client.calls import Call, consent_form, nothing, path_of
from app.client.photos import in_run
from app.client.rows import FailedFile, NamedUnknown, RunFace, RunState, Unknown, UnknownInfo, run_row
from pipeline.errors import RunNameError, ServiceError, UnknownClusterError

if TYPE_CHECKING:
    from app.photos import Upload
    from pipeline.gallery import NewConsent

Row = TypeVar("Row")
#: Between two questions about a run that is not followed by events.
ASK_S = 5.0

# --- unknown people -------------------------------------------------------------------------------------------


def unknowns(everybody: bool) -> Call[list[UnknownInfo]]:
    """Whom nobody has named."""
    return Call("GET", path_of("unknowns"), reading.unknowns, query={"all": str(everybody).lower()})


def unknown(cluster: str) -> Call[Unknown]:
    """One of them."""
    return Call("GET", _of_unknown(cluster), reading.unknown)


def name_unknown(cluster: str, subject: str, samples: int, consent: NewConsent | None) -> Call[NamedUnknown]:
    """Gives one of them a name."""
    body: dict[str, Any] = {"subject": subject, "samples": samples}

    def read(said: dict[str, Any]) -> NamedUnknown:
        counts = said["faces"], said["recognised"]
        return NamedUnknown(said["cluster"], said["subject"], tuple(said["sample_ids"]), *counts)

    path = _of_unknown(cluster, "name")
    return Call("POST", path, read, again=False, body=body | consent_form(consent))


def merge_unknowns(one: str, other: str) -> Call[str]:
    """Says that two of them are one."""
    return Call("POST", _of_unknown(one, "merge"), _cluster, again=False, body={"cluster": other})


def split_unknown(cluster: str, face_ids: Iterable[str]) -> Call[str]:
    """Says that some faces are somebody else."""
    path = _of_unknown(cluster, "split")
    return Call("POST", path, _cluster, again=False, body={"faces": list(face_ids)})


def _cluster(said: dict[str, Any]) -> str:
    return str(said["cluster"])


# --- runs -----------------------------------------------------------------------------------------------------


def runs() -> Call[list[RunState]]:
    """Every run."""
    return Call("GET", path_of("runs"), lambda said: [reading.run_state(one) for one in said["runs"]])


def run(name: str) -> Call[RunState]:
    """How far a run is."""
    return Call("GET", _of_run(name), reading.run_state)


def start_run(name: str, folder: str) -> Call[None]:
    """Starts a run over a folder of the server."""
    return Call("POST", path_of("runs"), nothing, again=False, body={"name": name, "folder": folder})


def stop_run(name: str) -> Call[RunState]:
    """Asks a run to end."""
    return Call("POST", _of_run(name, "stop"), reading.run_state)


def remove_run(name: str) -> Call[None]:
    """Erases a run."""
    return Call("DELETE", _of_run(name), nothing, again=False)


def start_run_of(name: str, photos: Iterable[Upload]) -> Call[int]:
    """Starts a run over photos, which go as a zip."""
    path, headers = _of_run(name, "zip"), {"Content-Type": "application/zip"}
    return Call("POST", path, lambda said: int(said["photos"]), again=False, headers=headers, content=packed(photos))


def events_path(name: str) -> str:
    """Where events come from."""
    return _of_run(name, "events")


def results_path(name: str) -> str:
    """Where results come from."""
    return _of_run(name, "results")


def packed(photos: Iterable[Upload]) -> bytes:
    """A zip of photos, not compressed, each under a name of its own."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for number, photo in enumerate(photos, 1):
            archive.writestr(f"{number:05d}/{in_run(photo.name)}", photo.data)
    return stream.getvalue()


def _of_run(name: str, *more: str) -> str:
    if not name:
        raise RunNameError("a run has a name of at least one character: give it one")
    return path_of("runs", name, *more)


def _of_unknown(cluster: str, *more: str) -> str:
    if not cluster:
        raise UnknownClusterError("a cluster is called something like U-0001: `unknowns()` lists them")
    return path_of("unknowns", cluster, *more)


class Lines:
    """Bytes as they come into lines; only a line feed ends one, whatever else there is in a name."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, part: bytes) -> Iterator[bytes]:
        """The lines that are whole by now."""
        *whole, self._rest = (self._rest + part).split(b"\n")
        yield from whole


def event_of(line: bytes) -> RunState | None:
    """What a line of the events says; None where it is no data."""
    name, _, data = line.partition(b":")
    return _read(reading.run_state, data) if name == b"data" else None


def result_of(line: bytes) -> RunFace | FailedFile:
    """A line of the results."""
    return _read(lambda said: run_row(said, said.get("model_id") or ""), line)


def _read(read: Callable[[Any], Row], line: bytes) -> Row:
    try:
        return read(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServiceError(
            "the server said of a run what this version does not understand: is it the right address, and are client "
            "and server of one version?"
        ) from error
