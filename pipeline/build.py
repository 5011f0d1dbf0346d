"""From settings to a recognizer: which installed models, in which runtime."""

from __future__ import annotations

from typing import Literal

from pipeline.align import TEMPLATES, TemplateAligner
from pipeline.config import Settings
from pipeline.detect import DetectionSettings, MultiScaleDetector, ScrfdHead, YuNetHead
from pipeline.embed import FLIP_SUFFIX, NetworkEmbedder
from pipeline.errors import CardError
from pipeline.landmarks import OnetRefiner
from pipeline.protocols import Session
from pipeline.recognizer import Recognizer
from pipeline.runtime import PendingSession, load_session
from pipeline.types import OperatingPoint
from pipeline.weights import Card, InstalledModel, ModelStore

Expect = Literal["few", "many"]

#: Where only the most prominent face is wanted, photos are searched up to this scale first (pixels, longer side).
_FIRST_SIDE = 640


def build_recognizer(settings: Settings | None = None, *, expect: Expect = "many") -> Recognizer:
    """Loads the models named in the settings.

    Args:
        settings: By default those of the user's data folder.
        expect: `few` photos of which the most prominent face is wanted: the runtime that starts fastest, and a search
            that goes to small scales only if the large ones show no face. `many`: the runtime that runs fastest, and
            every face. The outputs of the runtimes agree.

    Raises:
        ModelMissingError: A model is not installed; the message names the command that installs it.
        ModelDamagedError: A model's file is not what its card promises.
        CardError: A model cannot serve the task it is named for.
        RuntimeUnavailableError: The runtime named in the settings is not there.
    """
    settings = settings or Settings.load()
    store = ModelStore(settings.models_dir)
    detector = _installed(store, settings.detector, "detector")
    embedder = _installed(store, settings.embedder, "embedder")
    refiner = None if settings.refiner == "none" else _installed(store, settings.refiner, "refiner")
    template = embedder.card.preprocessing.template
    if template not in TEMPLATES:
        raise CardError(
            f"{embedder.card.name}: its card asks for the landmark template {template!r}, which is not known"
        )
    network = _embedder(embedder, settings, expect)  # takes longest to load, so it starts first
    return Recognizer(
        _detector(detector, settings, expect),
        _refiner(refiner, settings, expect) if refiner else None,
        TemplateAligner(template),
        network,
    )


def embedder_identity(settings: Settings) -> tuple[str, int]:
    """model_id and length of the templates these settings make, without loading the network.

    Raises:
        ModelMissingError, ModelDamagedError, CardError: As `build_recognizer` does.
    """
    model = _installed(ModelStore(settings.models_dir), settings.embedder, "embedder")
    return model.model_id + (FLIP_SUFFIX if settings.flip_fusion else ""), model.card.dimension or 0


def operating_points(settings: Settings) -> tuple[OperatingPoint, ...]:
    """What the card of the embedder in use states."""
    return ModelStore(settings.models_dir).installed(settings.embedder).card.operating_points


def _installed(store: ModelStore, name: str, task: str) -> InstalledModel:
    model = store.installed(name)
    if model.card.task != task:
        raise CardError(f"{name} is a {model.card.task}, not a {task}: mend the settings with `knownface models use`")
    return model


def _session(model: InstalledModel, settings: Settings, expect: Expect) -> Session:
    """For few photos: the runtime that starts fastest, loading while other things go on. Otherwise the fastest."""
    if expect == "few":
        runtime = "onnxruntime" if settings.runtime == "auto" else settings.runtime
        return PendingSession(lambda: load_session(model, runtime))
    return load_session(model, settings.runtime)


def _detector(model: InstalledModel, settings: Settings, expect: Expect) -> MultiScaleDetector:
    session = _session(model, settings, expect)
    how = DetectionSettings(
        min_side=settings.detection_min_side,
        max_side=settings.detection_max_side,
        first_side=_FIRST_SIDE if expect == "few" else None,
        min_confidence=settings.min_confidence,
        nms_iou=settings.nms_iou,
        min_face=settings.min_face,
    )
    if model.card.family == "yunet":
        return MultiScaleDetector(session, YuNetHead(), how)
    if model.card.family == "scrfd":
        return MultiScaleDetector(session, ScrfdHead(model.card.preprocessing), how, max_batch=1)
    raise _unfit(model.card)


def _refiner(model: InstalledModel, settings: Settings, expect: Expect) -> OnetRefiner:
    if model.card.family != "onet":
        raise _unfit(model.card)
    prep = model.card.preprocessing
    return OnetRefiner(_session(model, settings, expect), mean=prep.mean[0], std=prep.std[0])


def _embedder(model: InstalledModel, settings: Settings, expect: Expect) -> NetworkEmbedder:
    prep = model.card.preprocessing
    if model.card.family not in ("sface", "arcface") or model.card.dimension is None:
        raise _unfit(model.card)
    return NetworkEmbedder(
        _session(model, settings, expect),
        model_id=model.model_id,
        dimension=model.card.dimension,
        mean=prep.mean[0],
        std=prep.std[0],
        bgr=prep.colour == "bgr",
        flip_fusion=settings.flip_fusion,
    )


def _unfit(card: Card) -> CardError:
    return CardError(f"{card.name}: the pipeline has no {card.task} of the family {card.family!r}")
