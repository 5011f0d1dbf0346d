"""The client for threads: safe to share between them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from app.client import calls, right_calls, run_calls
from app.client.asking import Asks
from app.client.photos import PhotoLike, in_order, opened, together, upload_of, uploads_of
from app.client.problems import unreachable
from app.client.rows import FailedFile, NamedUnknown, RunFace, RunState, Status, Unknown, UnknownInfo
from app.outcomes import Enrolment, Identification
from pipeline.errors import PhotoError
from pipeline.gallery.names import normalise

if TYPE_CHECKING:
    from app.erasing import Erasure
    from pipeline.gallery import Consent, Entry, NewConsent, SubjectDetail, SubjectInfo, Verdict
    from pipeline.types import Decision, OperatingPoint

Answer = TypeVar("Answer")
Row = TypeVar("Row")


class Client(Asks):
    """`FaceService` on a server.

    Args:
        url: Where the server is, such as `https://faces.example.org`.
        key: What `knownface users key add` has shown; None for a server on this machine that wants none.
        retry: What is sent again, and how often.
        timeout_s: Longest silence of the server.
        transport: How it is reached, for certificates or a proxy of one's own; by default as httpx does.
    """

    # --- photos: as `FaceService` says ------------------------------------------------------------------------

    def ready(self) -> str:
        """As `FaceService.ready`."""
        return self._ask(calls.ready())

    def status(self) -> Status:
        """As `FaceService.status`."""
        return self._ask(calls.status())

    def verify(self, a: PhotoLike, b: PhotoLike, *, face_a: int | None = None, face_b: int | None = None) -> Decision:
        """As `FaceService.verify`."""
        return self._ask(calls.verify(upload_of(a), upload_of(b), face_a, face_b))

    def identify(self, photos: Iterable[PhotoLike], *, allow_repeats: bool | None = None) -> Iterator[Identification]:
        """As `FaceService.identify`; some photos go in each request."""
        for part in together(photos):
            uploads = uploads_of(part)
            rows = self._ask(calls.identify(uploads, allow_repeats)) if uploads else []
            yield from in_order(part, rows)

    def enrol(
        self,
        subject: str,
        photos: Iterable[PhotoLike],
        *,
        face: int | None = None,
        consent: NewConsent | None = None,
        refuse_lookalikes: bool = False,
    ) -> list[Enrolment]:
        """As `FaceService.enrol`; each photo goes under an idempotency key, so that a retry enrols it once."""
        subject, rows = normalise(subject), []
        for photo in photos:
            found = opened(photo)
            if isinstance(found, PhotoError):
                rows.append(Enrolment(subject, str(photo), error=found))
            else:
                rows.append(self._ask(calls.enrol(subject, found, face, consent, refuse_lookalikes)))
        return rows

    # --- subjects ---------------------------------------------------------------------------------------------

    def subjects(self, *, search: str | None = None) -> Iterator[SubjectInfo]:
        """As `FaceService.subjects`."""
        return self._pages(lambda cursor: calls.subjects(search, cursor))

    def subject(self, name: str) -> SubjectDetail:
        """As `FaceService.subject`."""
        return self._ask(calls.subject(name))

    def rename(self, old: str, new: str) -> None:
        """As `FaceService.rename`."""
        self._ask(calls.rename(old, new))

    def merge(self, source: str, target: str) -> int:
        """As `FaceService.merge`."""
        return self._ask(calls.merge(source, target))

    def split(
        self, subject: str, sample_ids: Sequence[str], new_name: str, *, consent: NewConsent | None = None
    ) -> None:
        """As `FaceService.split`."""
        self._ask(calls.split(subject, sample_ids, new_name, consent))

    def remove(self, name: str) -> int:
        """As `FaceService.remove`."""
        return self._ask(calls.remove(name))

    def remove_sample(self, subject: str, sample_id: str) -> None:
        """As `FaceService.remove_sample`."""
        self._ask(calls.remove_sample(subject, sample_id))

    def erase(self, name: str, reason: str = "request") -> Erasure:
        """As `FaceService.erase`."""
        return self._ask(calls.erase(name, reason))

    # --- rights -----------------------------------------------------------------------------------------------

    def consents(self, subject: str) -> list[Consent]:
        """As `FaceService.consents`."""
        return self._ask(right_calls.consents(subject))

    def consent(self, subject: str, new: NewConsent) -> None:
        """As `FaceService.consent`."""
        self._ask(right_calls.consent(subject, new))

    def withdraw(self, subject: str, purpose: str | None = None) -> int:
        """As `FaceService.withdraw`."""
        return self._ask(right_calls.withdraw(subject, purpose))

    def hold(self, subject: str, reason: str, until: datetime | None = None) -> None:
        """As `FaceService.hold`."""
        self._ask(right_calls.hold(subject, reason, until))

    def release(self, subject: str) -> bool:
        """As `FaceService.release`."""
        return self._ask(right_calls.release(subject))

    def export(self, subject: str) -> dict[str, Any]:
        """As `FaceService.export`."""
        return self._ask(right_calls.export(subject))

    # --- unknown people ---------------------------------------------------------------------------------------

    def unknowns(self, *, everybody: bool = False) -> list[UnknownInfo]:
        """As `FaceService.unknowns`."""
        return self._ask(run_calls.unknowns(everybody))

    def unknown(self, cluster: str) -> Unknown:
        """As `FaceService.unknown`."""
        return self._ask(run_calls.unknown(cluster))

    def name_unknown(
        self, cluster: str, subject: str, *, samples: int = 5, consent: NewConsent | None = None
    ) -> NamedUnknown:
        """As `FaceService.name_unknown`."""
        return self._ask(run_calls.name_unknown(cluster, subject, samples, consent))

    def merge_unknowns(self, one: str, other: str) -> str:
        """As `FaceService.merge_unknowns`."""
        return self._ask(run_calls.merge_unknowns(one, other))

    def split_unknown(self, cluster: str, face_ids: Iterable[str]) -> str:
        """As `FaceService.split_unknown`."""
        return self._ask(run_calls.split_unknown(cluster, face_ids))

    # --- runs -------------------------------------------------------------------------------------------------

    def runs(self) -> list[RunState]:
        """As `FaceService.runs`."""
        return self._ask(run_calls.runs())

    def run(self, name: str) -> RunState:
        """As `FaceService.run`."""
        return self._ask(run_calls.run(name))

    def start_run(self, name: str, folder: str | Path) -> None:
        """As `FaceService.start_run`; the folder is one of the server."""
        self._ask(run_calls.start_run(name, str(folder)))

    def start_run_of(self, name: str, photos: Iterable[PhotoLike]) -> int:
        """As `FaceService.start_run_of`; the photos go as a zip."""
        return self._ask(run_calls.start_run_of(name, [upload_of(photo) for photo in photos]))

    def follow(self, name: str) -> Iterator[RunState]:
        """As `FaceService.follow`: server-sent events; where they break off they are asked for again."""
        last, attempt = None, 0
        while True:
            try:
                for state in self._states(name):
                    attempt = 0
                    if state != last:
                        yield state
                    if (last := state).ended:
                        return
                error: httpx.TransportError = httpx.RemoteProtocolError("the events broke off")
            except httpx.TransportError as lost:
                error = lost
            time.sleep(self._wait(error, attempt, again=True))
            attempt += 1

    def results(self, name: str) -> Iterator[RunFace | FailedFile]:
        """As `FaceService.results`."""
        try:
            for line in self._lines(run_calls.results_path(name)):
                yield run_calls.result_of(line)
        except httpx.TransportError as error:
            raise unreachable(self._http.base_url, error) from error

    def stop_run(self, name: str) -> RunState:
        """As `FaceService.stop_run`."""
        return self._ask(run_calls.stop_run(name))

    def remove_run(self, name: str) -> None:
        """As `FaceService.remove_run`."""
        self._ask(run_calls.remove_run(name))

    # --- upkeep -----------------------------------------------------------------------------------------------

    def operating_points(self) -> tuple[OperatingPoint, ...]:
        """As `FaceService.operating_points`."""
        return self._ask(calls.operating_points())

    def audit(self, *, after: int = 0, actor: str | None = None, action: str | None = None) -> Iterator[Entry]:
        """As `FaceService.audit`."""
        return self._pages(lambda cursor: calls.audit(cursor or str(after), actor, action))

    def verify_audit(self) -> Verdict:
        """As `FaceService.verify_audit`."""
        return self._ask(calls.verify_audit())
