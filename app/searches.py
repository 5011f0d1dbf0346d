"""Verifying and identifying, as the policy wants it logged."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from app import in_use, live, trail
from app.faces import pick_face
from app.outcomes import Identification, Verification
from app.photos import Source, is_video, name_of
from app.rights import Rights
from pipeline.decide import decide_photo, decide_verify
from pipeline.errors import PhotoError
from pipeline.recognizer import Faces, compare, no_face
from pipeline.types import Decision, OperatingPoint

if TYPE_CHECKING:
    from app.left_behind import SecondSearch
    from app.lookalikes import Likeness
    from app.policy import Decisions


class Searches(Rights):
    """What `Services` inherits besides changes and rights."""

    @abstractmethod
    def verify_point(self) -> OperatingPoint:
        """The operating point for 1:1."""

    @abstractmethod
    def identify_point(self) -> OperatingPoint:
        """The operating point for 1:N."""

    @abstractmethod
    def open_gallery_if_there(self) -> None:
        """Opens the gallery, if there is one."""

    @abstractmethod
    def _identify_videos(self, sources: Iterable[Source]) -> Iterator[Identification]:
        """Says who appears in videos."""

    @property
    @abstractmethod
    def left(self) -> SecondSearch | None:
        """The search among those whom a change of the model left behind."""

    @property
    @abstractmethod
    def logs(self) -> Decisions:
        """What of searching is logged."""

    def verify(self, a: Source, b: Source, *, face_a: int | None = None, face_b: int | None = None) -> Verification:
        """Compares the most prominent face of each photo, or the one whose number is given (1 is the first).

        Raises:
            NoFaceError: A photo shows none.
            PhotoError: A photo cannot be used.
            NoOperatingPointError: Nothing says which score is a match.
        """
        one, other = self._both(a, b)
        return self.verify_faces(one, other, face_a=face_a, face_b=face_b)

    def _both(self, a: Source, b: Source) -> list[Faces]:
        """Both photos analysed, at the same time."""
        self.open_gallery_if_there()
        both = []
        for _, faces in in_use.stream(self, [a, b], self.open, workers=2, chunk=1):
            if isinstance(faces, PhotoError):
                raise faces
            both.append(faces)
        return both

    def verify_faces(self, a: Faces, b: Faces, *, face_a: int | None = None, face_b: int | None = None) -> Verification:
        """The same for photos that are analysed already.

        Raises:
            ModelMismatchError: They were analysed with different models.
            ModelSwitchedError: The gallery was switched to another model since.
        """
        point = self.verify_point()
        in_use.require_point(point, a)
        first, second = pick_face(a, face_a or 1), pick_face(b, face_b or 1)
        norm = min(float(first.templates.norms[0]), float(second.templates.norms[0]))
        score = compare(first.templates, second.templates)
        decision = decide_verify(score, point, norm=norm, prior=self.settings.prior)
        for face in (first, second):
            (decision,) = live.held(self.settings, [decision], face)
        if (level := self.logs) != "off":
            trail.verified(self.gallery, level, decision, (a.photo_sha256, b.photo_sha256))
        return Verification(decision, first, second, len(a), len(b))

    def identify(self, sources: Iterable[Source], *, allow_repeats: bool | None = None) -> Iterator[Identification]:
        """Names the faces of photos, and who appears in videos, in their order.

        A file that fails, or shows no face, is a row with an error.

        Args:
            sources: Photos and videos; which is which, the suffix says.
            allow_repeats: Name one person more than once in a photo; by default as the settings say.
        """
        rows = self._identify(sources, allow_repeats)
        _, level = self.gallery, self.logs
        yield from rows if level == "off" else trail.in_batches(self.gallery, level, rows)

    def _identify(self, sources: Iterable[Source], allow_repeats: bool | None) -> Iterator[Identification]:
        point = self.identify_point()

        def named(faces: Faces) -> Identification:
            nonlocal point
            if point.model_id != faces.templates.model_id:  # the gallery was switched
                point = self.identify_point()
            return self._decided(faces, point, allow_repeats)

        for video, some in groupby(sources, is_video):
            if video:
                yield from self._identify_videos(some)
                continue
            for source, faces in in_use.stream(self, some, self.open, workers=self.settings.worker_count):
                if isinstance(faces, PhotoError):
                    yield Identification(name_of(source), error=faces)
                else:
                    yield replace(
                        in_use.retried(self, faces, source, named, lambda error: Identification("", error=error)),
                        photo=name_of(source),
                    )

    def identify_faces(
        self, faces: Faces, point: OperatingPoint | None = None, *, allow_repeats: bool | None = None
    ) -> Identification:
        """The same for one photo that is analysed already.

        Args:
            faces: What the photo shows.
            point: The operating point, by default the one for the gallery's present size.
            allow_repeats: As in `identify`.

        Raises:
            ModelSwitchedError: The gallery was switched to another model since the photo was analysed.
        """
        row = self._decided(faces, point, allow_repeats)
        if (level := self.logs) != "off":
            trail.identified(self.gallery, level, [row])
        return row

    def likeness(self, face: Faces, subject: str | None) -> Likeness | None:
        """What a face that is to be enrolled looks like. As `lookalikes.likeness`."""
        from app.lookalikes import likeness

        return likeness(self, face, subject)

    def checked_face(self, face: Faces) -> Decision:
        """Whom a face that is to be enrolled is taken for; where searches are logged, so is this one."""
        (decision,) = self._decided(face, None, None).decisions
        trail.decided(self.gallery, self.logs, "enrol_check", [(face.photo_sha256, [decision])])
        return decision

    def _decided(self, faces: Faces, point: OperatingPoint | None, allow_repeats: bool | None) -> Identification:
        if not len(faces):
            return Identification(faces.source, faces, error=no_face(faces.source))
        point, gallery = point or self.identify_point(), self.gallery
        in_use.require_current(faces, gallery)
        in_use.require_point(point, faces)
        size, repeats = len(gallery), self.settings.allow_repeats if allow_repeats is None else allow_repeats
        candidates = gallery.search(faces.templates, k=len(faces) + 1, threshold=point.threshold)
        decisions = decide_photo(
            candidates,
            point,
            size,
            norms=faces.templates.norms.tolist(),
            allow_repeats=repeats,
        )
        if (left := self.left) is not None:
            decisions = left.decide(faces, decisions, size, allow_repeats=repeats)
        return Identification(faces.source, faces, live.held(self.settings, decisions, faces))
