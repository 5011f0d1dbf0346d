"""`FaceService` on this machine: over the same services that the command line and the server use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from app.client.local_runs import LocalRuns
from app.client.photos import PhotoLike, source_of
from app.client.rows import Status
from pipeline.errors import NoOperatingPointError, SubjectNotFoundError

if TYPE_CHECKING:
    from app.erasing import Erasure
    from app.outcomes import Enrolment, Identification
    from pipeline.config import Settings
    from pipeline.gallery import Consent, Entry, NewConsent, SubjectDetail, SubjectInfo, Verdict
    from pipeline.types import Decision, OperatingPoint

_PAGE = 500


def open_local(settings: Settings | None = None) -> Local:
    """Models and gallery of this machine, as one object; they are loaded when they are first needed.

    Args:
        settings: By default those of the user's data folder.

    Raises:
        ConfigError: The settings cannot be used.
    """
    from app.services import Services
    from pipeline.config import Settings

    return Local(Services(settings or Settings.load()))


class Local(LocalRuns):
    """`FaceService` on this machine; `open_local` makes one.

    Results of runs that were written before are written again where somebody is named, merged or split.

    Args:
        services: What does the work.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the gallery."""
        self._services.close()

    def ready(self) -> str:
        """As `FaceService.ready`."""
        _ = len(self._services.gallery)
        return self._services.recognizer.model_id

    def status(self) -> Status:
        """As `FaceService.status`."""
        services = self._services
        notes = [services.stages_note()]
        try:
            notes.append(services.score_note())
        except NoOperatingPointError as error:
            notes.append(error.message)
        recognizer = services.recognizer
        said = tuple(note for note in notes if note)
        return Status(recognizer.model_id, len(services.gallery), recognizer.runtimes, said)

    # --- photos -----------------------------------------------------------------------------------------------

    def verify(self, a: PhotoLike, b: PhotoLike, *, face_a: int | None = None, face_b: int | None = None) -> Decision:
        """As `FaceService.verify`."""
        return self._services.verify(source_of(a), source_of(b), face_a=face_a, face_b=face_b).decision

    def identify(self, photos: Iterable[PhotoLike], *, allow_repeats: bool | None = None) -> Iterator[Identification]:
        """As `FaceService.identify`; of a path whose suffix says so, who appears in the video."""
        return self._services.identify((source_of(photo) for photo in photos), allow_repeats=allow_repeats)

    def enrol(
        self,
        subject: str,
        photos: Iterable[PhotoLike],
        *,
        face: int | None = None,
        consent: NewConsent | None = None,
        refuse_lookalikes: bool = False,
    ) -> list[Enrolment]:
        """As `FaceService.enrol`."""
        sources = [source_of(photo) for photo in photos]
        how: dict[str, Any] = {"consent": consent, "refuse_lookalikes": refuse_lookalikes}
        return self._services.enrol(subject, sources, face=face, **how)

    # --- subjects ---------------------------------------------------------------------------------------------

    def subjects(self, *, search: str | None = None) -> Iterator[SubjectInfo]:
        """As `FaceService.subjects`."""
        after: str | None = None
        while page := self._services.gallery.subjects(limit=_PAGE, search=search, after=after):
            yield from page
            after = page[-1].name

    def subject(self, name: str) -> SubjectDetail:
        """As `FaceService.subject`."""
        return self._services.gallery.subject(name)

    def rename(self, old: str, new: str) -> None:
        """As `FaceService.rename`."""
        self._services.rename(old, new)

    def merge(self, source: str, target: str) -> int:
        """As `FaceService.merge`."""
        return self._services.merge(source, target)

    def split(
        self, subject: str, sample_ids: Sequence[str], new_name: str, *, consent: NewConsent | None = None
    ) -> None:
        """As `FaceService.split`."""
        if set(sample_ids) - {one.id for one in self.subject(subject).samples}:
            raise SubjectNotFoundError(f"{subject}: has not all of these samples")
        self._services.split(sample_ids, new_name, consent)

    def remove(self, name: str) -> int:
        """As `FaceService.remove`."""
        return self._services.remove(name)

    def remove_sample(self, subject: str, sample_id: str) -> None:
        """As `FaceService.remove_sample`."""
        if all(one.id != sample_id for one in self.subject(subject).samples):
            raise SubjectNotFoundError(f"{subject}: has no such sample")
        self._services.remove_sample(sample_id)

    def erase(self, name: str, reason: str = "request") -> Erasure:
        """As `FaceService.erase`."""
        return self._services.erase(name, reason)

    # --- rights -----------------------------------------------------------------------------------------------

    def consents(self, subject: str) -> list[Consent]:
        """As `FaceService.consents`."""
        return list(self._services.gallery.consents(subject))

    def consent(self, subject: str, new: NewConsent) -> None:
        """As `FaceService.consent`."""
        self._services.consent(subject, new)

    def withdraw(self, subject: str, purpose: str | None = None) -> int:
        """As `FaceService.withdraw`."""
        return self._services.withdraw(subject, purpose)

    def hold(self, subject: str, reason: str, until: datetime | None = None) -> None:
        """As `FaceService.hold`."""
        self._services.hold(subject, reason, until)

    def release(self, subject: str) -> bool:
        """As `FaceService.release`."""
        return self._services.release(subject)

    def export(self, subject: str) -> dict[str, Any]:
        """As `FaceService.export`."""
        self._services.export_subject(subject, None)
        return self._services.everything(subject)

    # --- upkeep -----------------------------------------------------------------------------------------------

    def operating_points(self) -> tuple[OperatingPoint, ...]:
        """As `FaceService.operating_points`."""
        return (*self._services.calibration(), *self._services.points)

    def audit(self, *, after: int = 0, actor: str | None = None, action: str | None = None) -> Iterator[Entry]:
        """As `FaceService.audit`."""
        return self._services.audit(after=after, actor=actor, action=action)

    def verify_audit(self) -> Verdict:
        """As `FaceService.verify_audit`."""
        return self._services.verify_audit()
