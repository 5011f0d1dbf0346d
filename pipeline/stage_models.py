"""From a model's card and its network to the stage that it serves.

The stages, and OpenCV with them, are imported only when one is made: the networks load meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.config import Settings
from pipeline.errors import CardError
from pipeline.protocols import Session
from pipeline.weights import Card, InstalledModel

if TYPE_CHECKING:
    from pipeline.detect import MultiScaleDetector
    from pipeline.embed import NetworkEmbedder
    from pipeline.eyes import EyeState
    from pipeline.landmarks import OnetRefiner
    from pipeline.liveness import CropLiveness


def detector_of(model: InstalledModel, session: Session, settings: Settings) -> MultiScaleDetector:
    """The detector of a model. Raises CardError: the pipeline has no such detector."""
    from pipeline.detect import HEADS, DetectionSettings, MultiScaleDetector

    how = DetectionSettings(
        min_side=settings.detection_min_side,
        max_side=settings.detection_max_side,
        min_confidence=settings.min_confidence,
        nms_iou=settings.nms_iou,
        min_face=settings.min_face,
    )
    if model.card.family not in HEADS:
        raise _unfit(model.card)
    return MultiScaleDetector(session, HEADS[model.card.family](model.card.preprocessing), how)


def refiner_of(model: InstalledModel, session: Session) -> OnetRefiner:
    """The landmark refiner of a model. Raises CardError: the pipeline has no such refiner."""
    from pipeline.landmarks import OnetRefiner

    if model.card.family != "onet":
        raise _unfit(model.card)
    prep = model.card.preprocessing
    return OnetRefiner(session, mean=prep.mean[0], std=prep.std[0])


def liveness_of(model: InstalledModel, session: Session) -> CropLiveness:
    """What tells live faces by a model. Raises CardError: the pipeline has no such thing."""
    from pipeline.liveness import CropLiveness

    if model.card.family != "crop_liveness":
        raise _unfit(model.card)
    return CropLiveness(session, model.model_id, model.card.preprocessing.input_hw[0])


def eyes_of(model: InstalledModel, session: Session) -> EyeState:
    """What tells open eyes by a model. Raises CardError: the pipeline has no such thing."""
    from pipeline.eyes import EyeState

    if model.card.family != "eye_state":
        raise _unfit(model.card)
    return EyeState(session, model.model_id, model.card.preprocessing.input_hw[0])


def template_of(card: Card) -> str:
    """Name of the landmark template that a card asks for. Raises CardError: it is not known."""
    from pipeline.align import TEMPLATES

    template = card.preprocessing.template
    if template not in TEMPLATES:
        raise CardError(f"{card.name}: its card asks for the landmark template {template!r}, which is not known")
    if card.preprocessing.input_hw != (TEMPLATES[template][1],) * 2:
        raise CardError(f"{card.name}: its card asks for the template {template}, whose crops are of another size")
    return template


def build_embedder(card: Card, session: Session, model_id: str, **options: Any) -> NetworkEmbedder:
    """The embedder of a card, on a network that is loaded already.

    Args:
        card: What the network wants to be fed.
        session: The network.
        model_id: What its templates are called.
        options: Further ones of `NetworkEmbedder`.

    Raises:
        CardError: The pipeline has no such embedder.
    """
    from pipeline.embed import NetworkEmbedder

    prep = card.preprocessing
    if card.family not in ("sface", "arcface", "dlib") or card.dimension is None:
        raise _unfit(card)
    return NetworkEmbedder(
        session,
        model_id=model_id,
        dimension=card.dimension,
        mean=prep.mean[0],
        std=prep.std[0],
        bgr=prep.colour == "bgr",
        size=prep.input_hw[0],
        folded=prep.folded,
        **options,
    )


def _unfit(card: Card) -> CardError:
    return CardError(f"{card.name}: the pipeline has no {card.task} of the family {card.family!r}")
