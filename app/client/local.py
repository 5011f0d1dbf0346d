"""`FaceService` on this machine: over the same services that the command line and the server use."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from app.client.photos import Brought, PhotoLike, in_run, source_of, upload_of
from app.client.rows import (
    FailedFile,
    NamedUnknown,
    RunFace,
    RunState,
    Status,
    Unknown,
    UnknownFace,
    UnknownInfo,
    run_row,
)
from pipeline.errors import NoOperatingPointError, RunNotFoundError, SubjectNotFoundError

if TYPE_CHECKING:
    from app.erasing import Erasure
    from app.outcomes import Enrolment, Identification
    from app.services import Services
    from app.unknowns import Registry
    from pipeline.config import Settings
    from pipeline.gallery import Entry, NewConsent, SubjectDetail, SubjectInfo, Verdict
    from pipeline.types import Decision, OperatingPoint

_PAGE = 500
_ASK_S = 0.5


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


class Local:
    """`FaceService` on this machine; `open_local` makes one.

    Results of runs that were written before are written again where somebody is named, merged or split.

    Args:
        services: What does the work.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

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
    ) -> list[Enrolment]:
        """As `FaceService.enrol`."""
        return self._services.enrol(subject, [source_of(photo) for photo in photos], face=face, consent=consent)

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

    # --- unknown people ---------------------------------------------------------------------------------------

    def unknowns(self, *, everybody: bool = False) -> list[UnknownInfo]:
        """As `FaceService.unknowns`."""
        from app.unknowns import label

        registry = self._registry()
        subjects = registry.subjects()
        return [
            UnknownInfo(label(number), len(faces), subjects.get(number))
            for number, faces in sorted(registry.clusters().items(), key=lambda one: (-len(one[1]), one[0]))
            if everybody or len(faces) > 1 or number in subjects
        ]

    def unknown(self, cluster: str) -> Unknown:
        """As `FaceService.unknown`."""
        from app.unknowns import label, members

        registry = self._registry()
        number = registry.resolve(cluster)
        faces = tuple(
            UnknownFace(one.row.face_id, one.run.name, one.row.photo, one.row.box, one.row.quality)
            for one in members(self._services, registry, number)
        )
        aliases = tuple(label(one) for one in registry.aliases(number))
        return Unknown(label(number), registry.subjects().get(number), aliases, faces)

    def name_unknown(
        self, cluster: str, subject: str, *, samples: int = 5, consent: NewConsent | None = None
    ) -> NamedUnknown:
        """As `FaceService.name_unknown`."""
        from app.unknowns import name_cluster, write_again

        registry = self._registry()
        done = name_cluster(self._services, registry, registry.resolve(cluster), subject, samples, consent)
        write_again(self._services, registry)
        return NamedUnknown(done.cluster, done.subject, tuple(done.sample_ids), done.faces, done.recognised)

    def merge_unknowns(self, one: str, other: str) -> str:
        """As `FaceService.merge_unknowns`."""
        from app.unknowns import label, merge_clusters, write_again

        registry = self._registry()
        number = merge_clusters(self._services, registry, registry.resolve(one), registry.resolve(other))
        write_again(self._services, registry)
        return label(number)

    def split_unknown(self, cluster: str, face_ids: Iterable[str]) -> str:
        """As `FaceService.split_unknown`."""
        from app.unknowns import label, split_cluster, write_again

        registry = self._registry()
        number = split_cluster(self._services, registry, registry.resolve(cluster), list(face_ids))
        write_again(self._services, registry)
        return label(number)

    # --- runs -------------------------------------------------------------------------------------------------

    def runs(self) -> list[RunState]:
        """As `FaceService.runs`."""
        from app import batch

        return [_state(one) for one in batch.batches(self._home)]

    def run(self, name: str) -> RunState:
        """As `FaceService.run`."""
        from app import batch
        from app.runs.place import run_folder

        run_folder(self._home, name)
        found = batch.batch_of(self._home, name)
        if found is None:
            raise RunNotFoundError(f"there is no run {name}")
        return _state(found)

    def start_run(self, name: str, folder: str | Path) -> None:
        """As `FaceService.start_run`: a process of its own, which goes on when this one ends."""
        from app import batch

        batch.start_folder(self._services, name, str(Path(folder).absolute()))

    def start_run_of(self, name: str, photos: Iterable[PhotoLike]) -> int:
        """As `FaceService.start_run_of`; likewise."""
        from app import batch

        brought = []
        for photo in photos:
            upload = upload_of(photo)
            brought.append(Brought(in_run(upload.name), upload.data))
        return batch.start_brought(self._services, name, brought, keep=False)

    def follow(self, name: str) -> Iterator[RunState]:
        """As `FaceService.follow`."""
        last: RunState | None = None
        while last is None or not last.ended:
            state = self.run(name)
            if state != last:
                yield state
            else:
                time.sleep(_ASK_S)
            last = state

    def results(self, name: str) -> Iterator[RunFace | FailedFile]:
        """As `FaceService.results`."""
        from app.runs import Run
        from app.runs.documents import error_documents, face_documents

        run = Run.open(self._home, name)
        model_id = run.summary()["model_id"] or ""
        for document in face_documents(run):
            yield run_row(document, model_id)
        for document in error_documents(run):
            yield run_row(document, model_id)

    def stop_run(self, name: str) -> RunState:
        """As `FaceService.stop_run`."""
        from app import batch

        self.run(name)
        batch.stop(self._services, name)
        return self.run(name)

    def remove_run(self, name: str) -> None:
        """As `FaceService.remove_run`."""
        from app import batch

        self.run(name)
        batch.remove(self._services, name)

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

    # --- how --------------------------------------------------------------------------------------------------

    @property
    def _home(self) -> Path:
        return self._services.settings.home

    def _registry(self) -> Registry:
        from app.unknowns import refresh

        return refresh(self._services)


def _state(batch: object) -> RunState:
    return RunState(**{name: getattr(batch, name) for name in RunState.__slots__})
