"""What a script can do with faces, here or on a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from app.client.protocol_models import ModelService

if TYPE_CHECKING:
    from app.client.local import Local
    from app.client.photos import PhotoLike
    from app.client.rows import FailedFile, NamedUnknown, RunFace, RunState, Status, Unknown, UnknownInfo
    from app.client.sync import Client
    from app.erasing import Erasure
    from app.outcomes import Enrolment, Identification
    from pipeline.gallery import Consent, Entry, NewConsent, SubjectDetail, SubjectInfo, Verdict
    from pipeline.types import Decision, OperatingPoint


class FaceService(ModelService, Protocol):
    """`Local` and `Client` are one; `AsyncClient` has the same methods to be awaited, or iterated with `async for`.

    Photos are paths, bytes or (H, W, 3) uint8 RGB. Any method raises NotAllowedError where the role is too weak; on a
    server also KeyRefusedError, and ServiceError where it does not answer or refuses by rules of its own.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def close(self) -> None:
        """Lets go of models and gallery, or of the connections."""
        ...

    def ready(self) -> str:
        """Makes sure that models and gallery are there; returns the identity of the model."""
        ...

    def status(self) -> Status:
        """Which model the gallery is searched with, in which runtimes, and what does not fit."""
        ...

    # --- photos -----------------------------------------------------------------------------------------------

    def verify(self, a: PhotoLike, b: PhotoLike, *, face_a: int | None = None, face_b: int | None = None) -> Decision:
        """Whether two photos show one person: the most prominent face of each, or that of this number (1 is the first).

        Raises:
            NoFaceError: A photo shows none.
            PhotoError: A photo cannot be used.
            NoOperatingPointError: Nothing says which score is a match.
        """
        ...

    def identify(self, photos: Iterable[PhotoLike], *, allow_repeats: bool | None = None) -> Iterator[Identification]:
        """Names the faces of photos, in their order: `decisions[i]` is about the face `detections[[i]]`.

        A photo that cannot be used, or shows nobody, is a row with an error.

        Args:
            photos: They are read as the iterator is.
            allow_repeats: Name one person more than once in a photo; by default as the settings say.
        """
        ...

    def enrol(
        self,
        subject: str,
        photos: Iterable[PhotoLike],
        *,
        face: int | None = None,
        consent: NewConsent | None = None,
        refuse_lookalikes: bool = False,
    ) -> list[Enrolment]:
        """Enrols photos of one subject, who need not be there yet; each is durable or a row with an error.

        Args:
            subject: Any printable name.
            photos: Photos that show one face each.
            face: Number of the face to take where a photo shows several; 1 is the most prominent.
            consent: What the subject agreed to; by default what the policy says.
            refuse_lookalikes: A photo that looks most like somebody else who is enrolled is a row with a
                LookalikeError; by default it is enrolled, and `warnings` of its row says so.

        Raises:
            SubjectNameError: The name cannot be used.
        """
        ...

    # --- subjects ---------------------------------------------------------------------------------------------

    def subjects(self, *, search: str | None = None) -> Iterator[SubjectInfo]:
        """Who is enrolled, by name; who comes or goes meanwhile is told of or not, and nobody else is missed.

        Args:
            search: Only names that contain it, whatever its case.
        """
        ...

    def subject(self, name: str) -> SubjectDetail:
        """A subject and its samples. Raises SubjectNotFoundError."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Gives a subject another name. Raises SubjectNotFoundError, SubjectExistsError, SubjectNameError."""
        ...

    def merge(self, source: str, target: str) -> int:
        """Moves every sample of `source` to `target`; returns how many. Raises SubjectNotFoundError."""
        ...

    def split(
        self, subject: str, sample_ids: Sequence[str], new_name: str, *, consent: NewConsent | None = None
    ) -> None:
        """Moves samples that show somebody else to a new subject, who needs a consent as anybody new does.

        Raises:
            SubjectNotFoundError: There is no such subject, or it has not all of these samples.
            SubjectExistsError: There is somebody of the new name.
            ConsentMissingError: The policy demands a consent.
        """
        ...

    def remove(self, name: str) -> int:
        """Removes a subject; returns how many samples it had. Raises SubjectNotFoundError, LegalHoldError."""
        ...

    def remove_sample(self, subject: str, sample_id: str) -> None:
        """Erases a sample; with the last one the subject goes. Raises SubjectNotFoundError, LegalHoldError."""
        ...

    def erase(self, name: str, reason: str = "request") -> Erasure:
        """Erases a subject from gallery, runs and caches, and certifies it. Errors as `remove`."""
        ...

    # --- rights -----------------------------------------------------------------------------------------------

    def consents(self, subject: str) -> list[Consent]:
        """The consents of a subject, oldest first, those that have ended too. Raises SubjectNotFoundError."""
        ...

    def consent(self, subject: str, new: NewConsent) -> None:
        """Records a consent. Raises SubjectNotFoundError, ConsentMissingError where the policy does not allow it."""
        ...

    def withdraw(self, subject: str, purpose: str | None = None) -> int:
        """Withdraws the consents in force, or those for this purpose; returns how many. Raises SubjectNotFoundError."""
        ...

    def hold(self, subject: str, reason: str, until: datetime | None = None) -> None:
        """Places a legal hold: nobody erases the subject. Raises SubjectNotFoundError."""
        ...

    def release(self, subject: str) -> bool:
        """Lifts a legal hold; returns whether there was one. Raises SubjectNotFoundError."""
        ...

    def export(self, subject: str) -> dict[str, Any]:
        """Everything that is held about a subject; binary values in base64. Raises SubjectNotFoundError."""
        ...

    # --- unknown people ---------------------------------------------------------------------------------------

    def unknowns(self, *, everybody: bool = False) -> list[UnknownInfo]:
        """People of the runs whom nobody has named, those with most faces first.

        Args:
            everybody: Also those with a single face.
        """
        ...

    def unknown(self, cluster: str) -> Unknown:
        """One of them and their faces. Raises UnknownClusterError."""
        ...

    def name_unknown(
        self, cluster: str, subject: str, *, samples: int = 5, consent: NewConsent | None = None
    ) -> NamedUnknown:
        """Gives one of them a name: the best few faces are enrolled, and every run is decided anew."""
        ...

    def merge_unknowns(self, one: str, other: str) -> str:
        """Says that two of them are one person; returns what the cluster is called."""
        ...

    def split_unknown(self, cluster: str, face_ids: Iterable[str]) -> str:
        """Says that some faces are somebody else; returns what their cluster is called."""
        ...

    # --- runs -------------------------------------------------------------------------------------------------

    def runs(self) -> list[RunState]:
        """Every run, the newest first."""
        ...

    def run(self, name: str) -> RunState:
        """How far a run is. Raises RunNotFoundError."""
        ...

    def start_run(self, name: str, folder: str | Path) -> None:
        """Starts a run over a folder of the machine that does the work, or goes on with it.

        Raises:
            RunNameError: It cannot be called so.
            PhotoUnreadableError: There is no such folder, or not for whoever asks.
            JobError: Another run is under way.
        """
        ...

    def start_run_of(self, name: str, photos: Iterable[PhotoLike]) -> int:
        """Starts a new run over photos that are brought along, and thrown away when it ends; returns how many.

        Raises:
            RunNameError: It cannot be called so, or there is one.
            PhotoError: One cannot be read, or they are too many.
            JobError: Another run is under way.
        """
        ...

    def follow(self, name: str) -> Iterator[RunState]:
        """How far a run is, whenever that changes, until it has ended. Raises RunNotFoundError."""
        ...

    def results(self, name: str) -> Iterator[RunFace | FailedFile]:
        """Every face of a run, then every file that gave none. Raises RunNotFoundError."""
        ...

    def stop_run(self, name: str) -> RunState:
        """Asks a run to end; what is complete is kept. Raises RunNotFoundError."""
        ...

    def remove_run(self, name: str) -> None:
        """Erases a run. Raises RunNotFoundError, RunBusyError, JobError."""
        ...

    # --- upkeep -----------------------------------------------------------------------------------------------

    def operating_points(self) -> tuple[OperatingPoint, ...]:
        """Which score is a match: as was measured for the gallery, then as the model's card says (`source`)."""
        ...

    def audit(self, *, after: int = 0, actor: str | None = None, action: str | None = None) -> Iterator[Entry]:
        """The entries of the audit log, oldest first.

        Args:
            after: Only those behind this number.
            actor: Only what they did.
            action: Only this, `enrol` for instance.
        """
        ...

    def verify_audit(self) -> Verdict:
        """Whether the audit log is whole, and where it ends."""
        ...


if TYPE_CHECKING:
    from app.erasing import Erasure

    def _both(here: Local, there: Client) -> tuple[FaceService, FaceService]:
        """For the type checker: both have every method, with these types."""
        return here, there
