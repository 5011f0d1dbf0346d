"""From settings to a recognizer: which installed models, in which runtime.

The stages, and OpenCV with them, are imported only when a recognizer is built: `start_loading` lets the networks load
meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.config import Settings
from pipeline.errors import CardError, ModelMissingError
from pipeline.protocols import Session
from pipeline.runtime import PendingSession, load_session
from pipeline.types import FLIP_SUFFIX, OperatingPoint
from pipeline.weights import Card, InstalledModel, ModelStore

if TYPE_CHECKING:
    from pipeline.detect import MultiScaleDetector
    from pipeline.embed import NetworkEmbedder
    from pipeline.landmarks import OnetRefiner
    from pipeline.recognizer import Recognizer

Expect = Literal["few", "many"]


@dataclass(frozen=True, slots=True)
class Stack:
    """The models named in the settings, and their sessions.

    Attributes:
        detector, refiner, embedder: A model and its session each; the refiner is None where it is turned off.
    """

    detector: tuple[InstalledModel, Session]
    refiner: tuple[InstalledModel, Session] | None
    embedder: tuple[InstalledModel, Session]


def start_loading(settings: Settings, expect: Expect = "many") -> Stack:
    """Finds the models named in the settings and loads them; for `few` photos, in the background.

    Args:
        settings: Which models and runtime.
        expect: `few` photos: the runtime that starts fastest. `many`: the one that runs fastest. Their outputs agree.

    Raises:
        ModelMissingError: A model is not installed; the message names the command that installs it.
        ModelDamagedError: A model's file is not what its card promises.
        CardError: A model cannot serve the task it is named for.
        RuntimeUnavailableError: The runtime named in the settings is not there.
    """
    store = ModelStore(settings.models_dir)
    embedder = _installed(store, settings.embedder, "embedder")
    detector = _installed(store, settings.detector, "detector")
    refiner = None if settings.refiner == "none" else _installed(store, settings.refiner, "refiner")
    embedding = _session(embedder, settings, expect)  # takes longest to load, so it starts first
    return Stack(
        detector=(detector, _session(detector, settings, expect)),
        refiner=(refiner, _session(refiner, settings, expect)) if refiner else None,
        embedder=(embedder, embedding),
    )


def build_recognizer(
    settings: Settings | None = None, *, expect: Expect = "many", stack: Stack | None = None
) -> Recognizer:
    """Loads the models named in the settings and puts the pipeline together.

    Args:
        settings: By default those of the user's data folder.
        expect: As in `start_loading`.
        stack: What `start_loading` returned for these settings, where it was called before.

    Raises:
        ModelError: As `start_loading` does.
    """
    from pipeline.align import TEMPLATES, TemplateAligner
    from pipeline.recognizer import Recognizer

    settings = settings or Settings.load()
    stack = stack or start_loading(settings, expect)
    card = stack.embedder[0].card
    template = card.preprocessing.template
    if template not in TEMPLATES:
        raise CardError(f"{card.name}: its card asks for the landmark template {template!r}, which is not known")
    if card.preprocessing.input_hw != (TEMPLATES[template][1],) * 2:
        raise CardError(f"{card.name}: its card asks for the template {template}, whose crops are of another size")
    return Recognizer(
        _detector(*stack.detector, settings),
        _refiner(*stack.refiner) if stack.refiner else None,
        TemplateAligner(template),
        _embedder(*stack.embedder, settings),
    )


def embedder_identity(settings: Settings) -> tuple[str, int]:
    """model_id and length of the templates these settings make, without loading the network.

    Raises:
        ModelMissingError, ModelDamagedError, CardError: As `build_recognizer` does.
    """
    store, suffix = ModelStore(settings.models_dir), FLIP_SUFFIX if settings.flip_fusion else ""
    try:
        model = _installed(store, settings.embedder, "embedder")
    except ModelMissingError:  # whoever wants to list or erase people need not pull a model first
        card = store.card(settings.embedder)
        expected = next((source.result_sha256 for source in card.sources if source.result_sha256), None)
        if expected is None:
            raise
        return f"{card.name}@{expected[:8]}{suffix}", card.dimension or 0
    return model.model_id + suffix, model.card.dimension or 0


def operating_points(settings: Settings) -> tuple[OperatingPoint, ...]:
    """What the card of the embedder in use states."""
    return ModelStore(settings.models_dir).installed(settings.embedder).card.operating_points


def _installed(store: ModelStore, name: str, task: str) -> InstalledModel:
    try:
        model = store.installed(name)
    except ModelMissingError as error:
        raise ModelMissingError(f"the model {name} is not installed: run `knownface models pull`") from error
    if model.card.task != task:
        raise CardError(f"{name} is a {model.card.task}, not a {task}: mend the settings with `knownface models use`")
    return model


def _session(model: InstalledModel, settings: Settings, expect: Expect) -> Session:
    """For few photos: the runtime that starts fastest, loading while other things go on. Otherwise the fastest."""
    if expect == "few":
        runtime = "onnxruntime" if settings.runtime == "auto" else settings.runtime
        return PendingSession(lambda: load_session(model, runtime))
    return load_session(model, settings.runtime)


def _detector(model: InstalledModel, session: Session, settings: Settings) -> MultiScaleDetector:
    from pipeline.detect import DetectionSettings, MultiScaleDetector, ScrfdHead, YuNetHead

    how = DetectionSettings(
        min_side=settings.detection_min_side,
        max_side=settings.detection_max_side,
        min_confidence=settings.min_confidence,
        nms_iou=settings.nms_iou,
        min_face=settings.min_face,
    )
    if model.card.family == "yunet":
        return MultiScaleDetector(session, YuNetHead(), how)
    if model.card.family == "scrfd":
        return MultiScaleDetector(session, ScrfdHead(model.card.preprocessing), how, max_batch=1)
    raise _unfit(model.card)


def _refiner(model: InstalledModel, session: Session) -> OnetRefiner:
    from pipeline.landmarks import OnetRefiner

    if model.card.family != "onet":
        raise _unfit(model.card)
    prep = model.card.preprocessing
    return OnetRefiner(session, mean=prep.mean[0], std=prep.std[0])


def _embedder(model: InstalledModel, session: Session, settings: Settings) -> NetworkEmbedder:
    from pipeline.embed import NetworkEmbedder

    prep = model.card.preprocessing
    if model.card.family not in ("sface", "arcface", "dlib") or model.card.dimension is None:
        raise _unfit(model.card)
    return NetworkEmbedder(
        session,
        model_id=model.model_id,
        dimension=model.card.dimension,
        mean=prep.mean[0],
        std=prep.std[0],
        bgr=prep.colour == "bgr",
        flip_fusion=settings.flip_fusion,
    )


def _unfit(card: Card) -> CardError:
    return CardError(f"{card.name}: the pipeline has no {card.task} of the family {card.family!r}")
