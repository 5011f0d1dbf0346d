"""What the command line and the web app have in common: a recognizer and a gallery, wired from the settings.

Nothing here prints or reads a terminal. Everything is safe to share between threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from app import in_use
from app.access import LOCAL, Actor
from app.faces import only_face, pick_face
from app.outcomes import Enrolment, Identification, Verification
from app.photos import Source, is_folder, name_of, open_source
from app.searches import Searches
from pipeline.build import Stack, build_recognizer, embedder_identity, operating_points
from pipeline.config import Settings
from pipeline.decide import choose_identify_point, choose_verify_point
from pipeline.images import Photo
from pipeline.loading import Expect
from pipeline.recognizer import Recognizer
from pipeline.tuned import read_tuned
from pipeline.types import OperatingPoint

if TYPE_CHECKING:
    from app.left_behind import SecondSearch
    from app.policy import Decisions, Policy
    from pipeline.gallery import Gallery, Model
    from pipeline.gallery.vault.files import FileKeys

__all__ = ["Enrolment", "Identification", "Services", "Verification", "only_face", "pick_face"]


@dataclass
class Services(Searches):
    """Recognizer, gallery and operating points, each built when first needed; every change to the gallery.

    Attributes:
        settings: What to use.
        expect: `few` photos (start fast) or `many` (run fast).
        stack: The models, where their loading was started before.
        reading: A gallery that is not there is not made: an empty one stands in for it until `close`.
        actor: Who uses them; by default whoever sits at this machine. See `acting_as`.
    """

    settings: Settings
    expect: Expect = "many"
    stack: Stack | None = None
    reading: bool = False
    actor: Actor = LOCAL
    _origin: Services | None = field(default=None, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _recognizer: Recognizer | None = field(default=None, repr=False)
    _gallery: Gallery | None = field(default=None, repr=False)
    _stand_in: TemporaryDirectory[str] | None = field(default=None, repr=False)
    _before: list[Gallery] = field(default_factory=list, repr=False)
    _second: Model | None = field(default=None, repr=False)
    _left: SecondSearch | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        tuned = read_tuned(self.settings)
        self.settings = tuned.apply(self.settings) if tuned else self.settings

    def acting_as(self, actor: Actor) -> Services:
        """The same recognizer and gallery for somebody else: what the role does not allow is refused."""
        return replace(self, actor=actor, _origin=self._origin or self)

    @property
    def recognizer(self) -> Recognizer:
        """The recognizer of the gallery's model, or of the settings' while no gallery is open; loaded on first use."""
        if self._origin is not None:
            return self._origin.recognizer
        with self._lock:
            self._follow()
            if self._recognizer is None:
                made = self._build()
                if self._gallery is not None and self._gallery.in_use() is not None:
                    in_use.require_installed(made, self._gallery.model)
                self._recognizer = made
            return self._recognizer

    def _build(self) -> Recognizer:
        self._second = second = in_use.second_of(self._gallery)
        if second is None or self._gallery is None:
            return build_recognizer(self.in_force, expect=self.expect, stack=self.stack)
        from app import left_behind

        recognizer, self._left = left_behind.build(self.in_force, self._gallery, second)
        return recognizer

    @property
    def gallery(self) -> Gallery:
        """The gallery by the model it is searched with; opened, and made if need be, on first use."""
        if self._origin is not None:
            return self._origin.gallery.acting_as(self.actor.name)
        with self._lock:
            if self._gallery is None:
                self._gallery = self._open_gallery()
            self._follow()
            return self._gallery

    @property
    def in_force(self) -> Settings:
        """The settings, with the embedder that the gallery says."""
        if self._origin is not None:
            return self._origin.in_force
        state = None if self._gallery is None else self._gallery.in_use()
        return self.settings if state is None else in_use.settings_for(self.settings, state.model)

    def _open_gallery(self) -> Gallery:
        from pipeline.gallery import Anchor, Gallery, IndexPlace, KeyPlaces, Scribe

        settings = self.settings
        model_id, dimension = embedder_identity(settings)
        place = IndexPlace(settings.index, settings.index_url, settings.index_method)
        location, score = self._gallery_location(), settings.subject_score
        scribe = Scribe(self.actor.name, Anchor(settings.home))
        keys = KeyPlaces.of(settings)
        made = Gallery.open(location, model_id, dimension, subject_score=score, index=place, scribe=scribe, keys=keys)
        made.record_key_use()
        return made

    def _follow(self) -> None:
        """Goes over to another model together with the gallery."""
        if self._gallery is None:
            return
        if (now := in_use.followed(self._gallery)) is not None:
            self._before.append(self._gallery)
            self._gallery, self._recognizer, self.stack = now, None, None
            self.__dict__.pop("points", None)
        if self._second != in_use.second_of(self._gallery):
            self._recognizer = self._left = self._second = None

    def open_gallery_if_there(self) -> None:
        """Opens the gallery, if there is one, so that its model is used from now on."""
        if (self._origin or self)._gallery is None and self.gallery_is_there():
            _ = self.gallery

    def _gallery_location(self) -> str:
        from pipeline.gallery import is_missing

        location = self.settings.gallery_location
        if not self.reading or not is_missing(location):
            return location
        self._stand_in = TemporaryDirectory(prefix="knownface-")
        return self._stand_in.name

    @cached_property
    def points(self) -> tuple[OperatingPoint, ...]:
        """What the card of the model in use states."""
        if self._origin is not None:
            return self._origin.points
        return operating_points(self.in_force)

    def calibration(self) -> tuple[OperatingPoint, ...]:
        """The operating points that were calibrated for the gallery; none where there is no gallery."""
        origin = self._origin or self
        if origin._gallery is None and not origin.gallery_is_there():
            return ()
        from pipeline.calibration.records import KIND, from_document

        return from_document(self.gallery.document(KIND))

    def gallery_is_there(self) -> bool:
        """Whether the settings' gallery has been made; nothing is opened."""
        location = self.settings.gallery_location
        if "://" not in location and not is_folder(Path(location)):
            return False  # most who only compare two photos have none: spare them the import of the database
        from pipeline.gallery import exists

        return exists(location)

    def stages_note(self) -> str:
        """What has changed about the models since people were enrolled; "" if nothing."""
        from app import stages

        return stages.difference(self.gallery, self.settings)

    def score_note(self) -> str:
        """That the operating point for 1:N was measured with another kind of score than is searched; "" if it was not.

        Raises:
            NoOperatingPointError: There is none.
        """
        point, now = self.identify_point(), self.settings.subject_score
        if point.subject_score == now:
            return ""
        return (
            f"the threshold of {point.origin} was measured with subject_score = {point.subject_score!r}, now {now!r}: "
            "its error rates do not hold; calibrate anew with `knownface calibrate --fpir`"
        )

    def close(self) -> None:
        """Closes the gallery, for everybody who shares it."""
        if self._origin is not None:
            self._origin.close()
            return
        with self._lock:
            if self._gallery is not None:
                for gallery in (self._gallery, *reversed(self._before)):  # the first one owns the connections
                    gallery.close()
                self._gallery = None
                self._before.clear()
            if self._stand_in is not None:
                self._stand_in.cleanup()
                self._stand_in = None

    def open(self, source: Source) -> Photo:
        """Opens a photo under the limits of the settings.

        Raises:
            PhotoError: It cannot be used.
        """
        return open_source(source, max_bytes=self.settings.max_bytes, max_pixels=self.settings.max_pixels)

    @cached_property
    def file_keys(self) -> FileKeys:
        """Where runs, clusters and caches get their key from, if the gallery is encrypted."""
        if self._origin is not None:
            return self._origin.file_keys
        from pipeline.gallery.vault.files import FileKeys

        return FileKeys.of(self.settings)

    @cached_property
    def policy(self) -> Policy:
        """What is demanded and logged. Errors: `load_policy`."""
        if self._origin is not None:
            return self._origin.policy
        from app.policy import load_policy

        return load_policy(self.settings)

    def reread_policy(self) -> None:
        """Lets the policy count that is in force by now: another one may have been put there."""
        for services in (self, self._origin or self):
            services.__dict__.pop("policy", None)

    @property
    def left(self) -> SecondSearch | None:
        """The search among those whom a change of the model left behind, where there are any."""
        return (self._origin or self)._left

    @property
    def logs(self) -> Decisions:
        """What of searching is logged; nothing where an empty gallery stands in for one that is not there."""
        stands_in = (self._origin or self)._stand_in is not None
        return "off" if stands_in else self.policy.audit.decisions

    def verify_point(self) -> OperatingPoint:
        """The operating point for 1:1: the gallery's own calibration, or else the card's."""
        model_id, points = self._model_and_points()
        return choose_verify_point(points, model_id, self.settings.verify_fmr)

    def identify_point(self) -> OperatingPoint:
        """The operating point for 1:N at the gallery's present size: its own calibration, or else the card's."""
        model_id, points = self._model_and_points()
        return choose_identify_point(points, model_id, self.settings.identify_fpir, len(self.gallery))

    def _model_and_points(self) -> tuple[str, tuple[OperatingPoint, ...]]:
        """Of one model, even where the gallery goes over to another between the two."""
        while True:
            model_id = self.recognizer.model_id
            points = (*self.calibration(), *(self._origin or self).points)
            if self.recognizer.model_id == model_id:
                return model_id, points

    def _identify_videos(self, sources: Iterable[Source]) -> Iterator[Identification]:
        from app.video.identify import identify_video

        for source in sources:
            yield identify_video(self, name_of(source))
