"""Identification of those who were left behind by a change of the model: a second search, with the old one.

Every face is embedded with both models. The new one is compared with everybody who has a template of it, the old one
with those who have none, and each search is decided by the operating point of its own model for the whole gallery's
size. Scores of the two never stand in one ranking; what is combined are the two decisions:

    new model          old model               said
    a name             nobody                  the name
    nobody             a name or ambiguous     what the old model says, with its score and threshold
    compared with none nobody                  what the old model says: everybody was left behind
    a name, ambiguous  a name or ambiguous     ambiguous: which one is more alike cannot be said across models

A stranger has two chances of a false name, each as large as that model's share of the people; so the rates add up to
about the one that was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.in_use import settings_for
from pipeline.build import build_with_second, operating_points
from pipeline.calibration.records import KIND, from_document
from pipeline.config import Settings
from pipeline.decide import choose_identify_point, decide_photo
from pipeline.errors import ModelMissingError
from pipeline.gallery import Gallery, Model
from pipeline.gallery.left_behind import LeftBehind
from pipeline.protocols import Embedder
from pipeline.recognizer import Faces, Recognizer
from pipeline.types import Decision, OperatingPoint

_NAMED = ("match", "ambiguous")


@dataclass(frozen=True, slots=True)
class SecondSearch:
    """The search by the old model.

    Attributes:
        embedder: The old model; its views come after those of the new one.
        people: Those left behind.
        points: The old model's operating points, the gallery's own first.
        max_fpir: As the settings say.
    """

    embedder: Embedder
    people: LeftBehind
    points: tuple[OperatingPoint, ...]
    max_fpir: float

    def decide(
        self, faces: Faces, decisions: Sequence[Decision], size: int, *, allow_repeats: bool
    ) -> tuple[Decision, ...]:
        """The decisions on the faces of a photo, with those who were left behind taken into account.

        Args:
            faces: What the photo shows.
            decisions: By the new model.
            size: Subjects in the whole gallery.
            allow_repeats: As in `decide_photo`.

        Raises:
            NoOperatingPointError: Nothing says which score is a match with the old model.
        """
        templates = self.embedder.embed(faces.aligned)
        found = self.people.search(templates, len(faces) + 1)
        if not any(len(candidates) for candidates in found):
            return tuple(decisions)
        point = choose_identify_point(self.points, templates.model_id, self.max_fpir, size)
        norms = templates.norms.tolist()
        others = decide_photo(found, point, size, norms=norms, allow_repeats=allow_repeats)
        return tuple(combined(new, old) for new, old in zip(decisions, others, strict=True))


def combined(new: Decision, old: Decision) -> Decision:
    """One decision of two, which were made with different models on different people."""
    if old.kind not in _NAMED and new.score is not None:
        return new
    if new.kind not in _NAMED:
        reason = f"{old.reason.rstrip('.')}; searched with {old.model_id}, the gallery's model of before."
        return replace(old, reason=reason)
    reason = (
        f"{_who(new)} by {new.model_id}, and {_who(old)} by {old.model_id}, the gallery's model of before, reach their "
        "thresholds. Scores of two models cannot be compared: enrol those who were left behind again."
    )
    return replace(new, kind="ambiguous", subject=None, reason=reason)


def _who(decision: Decision) -> str:
    name, score = decision.best or ("", decision.score or 0.0)
    return f"{name} ({score:.3f})"


def build(settings: Settings, gallery: Gallery, old: Model) -> tuple[Recognizer, SecondSearch]:
    """A recognizer whose faces both models can be given, and the second search.

    Args:
        settings: With the embedder in use.
        gallery: By the model in use.
        old: The model of those left behind.

    Raises:
        ModelMissingError: The old model is not installed any more.
    """
    second = settings_for(settings, old)
    recognizer, embedder = build_with_second(settings, second)
    if embedder.model_id != old.model_id:
        raise ModelMissingError(
            f"some people are searched with {old.model_id} until they are enrolled again, but under that name "
            f"{embedder.model_id} is installed: install the former again"
        )
    own = from_document(gallery.document_of(KIND, old.model_id))
    points = (*own, *operating_points(second))
    return recognizer, SecondSearch(embedder, gallery.left_behind(old), points, settings.identify_fpir)
