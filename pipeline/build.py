"""From settings to a recognizer: which installed models, in which runtime.

The stages, and OpenCV with them, are imported only when a recognizer is built: `start_loading` lets the networks load
meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.config import Settings
from pipeline.errors import CardError, ConfigError, ModelMissingError, NoOperatingPointError
from pipeline.loading import FACES_AT_ONCE, Expect, Loading
from pipeline.protocols import Aligner, Embedder, Session
from pipeline.stage_models import build_embedder, detector_of, eyes_of, liveness_of, refiner_of, template_of
from pipeline.types import LivenessPoint, OperatingPoint, fusion_suffix
from pipeline.weights import Card, InstalledModel, Member, ModelStore
from pipeline.weights.ensembles import ensemble_sha256

if TYPE_CHECKING:
    from pipeline.align import SeveralAligner, TemplateAligner
    from pipeline.detect import MultiScaleDetector
    from pipeline.embed import EnsembleEmbedder, NetworkEmbedder
    from pipeline.liveness import CropLiveness
    from pipeline.recognizer import Recognizer


@dataclass(frozen=True, slots=True)
class Stack:
    """The models named in the settings, and their sessions.

    Attributes:
        detector, refiner, embedder: A model and its session each; the refiner is None where it is turned off, and the
            embedder has a session for each member of an ensemble.
        batch: Faces in one pass through the embedder.
        liveness, eyes: Likewise; None where they are off.
    """

    detector: tuple[InstalledModel, Session]
    refiner: tuple[InstalledModel, Session] | None
    embedder: tuple[InstalledModel, tuple[Session, ...]]
    liveness: tuple[InstalledModel, Session] | None = None
    eyes: tuple[InstalledModel, Session] | None = None
    batch: int = FACES_AT_ONCE


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
    live = None if settings.liveness == "none" else _installed(store, settings.liveness, "liveness")
    eyes = None if settings.eyes == "none" else _installed(store, settings.eyes, "eyes")
    how = Loading(settings, expect, [model.model_id for model in (detector, refiner, embedder) if model])
    # These take longest to load, so they start first.
    embedding = tuple(how.session(member) for member in embedder.members or (embedder,))
    return Stack(
        detector=(detector, how.session(detector)),
        refiner=(refiner, how.session(refiner)) if refiner else None,
        embedder=(embedder, embedding),
        liveness=(live, how.session(live)) if live else None,
        eyes=(eyes, how.session(eyes)) if eyes else None,
        batch=how.batch,
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
    settings = settings or Settings.load()
    stack = stack or start_loading(settings, expect)
    return _recognizer(stack, settings, *_embedding(*stack.embedder, settings, stack.batch))


def _recognizer(stack: Stack, settings: Settings, aligner: Aligner, embedder: Embedder) -> Recognizer:
    from pipeline.recognizer import Recognizer

    refiner = refiner_of(*stack.refiner) if stack.refiner else None
    quality = stack.embedder[0].card.quality
    liveness = liveness_of(*stack.liveness) if stack.liveness else None
    eyes = eyes_of(*stack.eyes) if stack.eyes else None
    return Recognizer(detector_of(*stack.detector, settings), refiner, aligner, embedder, quality, liveness, eyes)


def build_with_second(settings: Settings, other: Settings, *, expect: Expect = "many") -> tuple[Recognizer, Embedder]:
    """A recognizer whose faces a second embedder can be given too, and that embedder.

    Args:
        settings: As for `build_recognizer`.
        other: Names the second embedder.
        expect: As in `start_loading`.

    Raises:
        ModelError: As `start_loading` does.
    """
    from pipeline.align import SeveralAligner, TemplateAligner

    stack = start_loading(settings, expect)
    aligner, embedder = _embedding(*stack.embedder, settings)
    model = _installed(ModelStore(settings.models_dir), other.embedder, "embedder")
    loading = Loading(other, expect)
    sessions = [loading.session(member) for member in model.members or (model,)]
    second_aligner, second = _embedding(model, sessions, other, first_view=len(aligner.views))
    both = SeveralAligner([TemplateAligner(*view) for view in (*aligner.views, *second_aligner.views)])
    return _recognizer(stack, settings, both, embedder), second


def build_embedding(
    settings: Settings,
) -> tuple[TemplateAligner | SeveralAligner, NetworkEmbedder | EnsembleEmbedder]:
    """The embedder named in the settings and its aligner, for faces that were found before.

    Raises:
        ModelError: As `start_loading` does.
    """
    model = _installed(ModelStore(settings.models_dir), settings.embedder, "embedder")
    loading = Loading(settings, "many")
    sessions = [loading.session(member) for member in model.members or (model,)]
    return _embedding(model, sessions, settings)


def build_cropper(settings: Settings, template: str = "arcface-112") -> tuple[Recognizer, tuple[str, ...]]:
    """A recognizer that finds, refines and aligns faces but embeds none, and the identities of its models.

    Args:
        settings: Which detector and refiner.
        template: How faces are aligned; one of `pipeline.align.TEMPLATES`.

    Raises:
        ModelError: As `start_loading` does.
    """
    from pipeline.align import TemplateAligner
    from pipeline.embed import NoEmbedder
    from pipeline.recognizer import Recognizer

    store = ModelStore(settings.models_dir)
    detector = _installed(store, settings.detector, "detector")
    refiner = None if settings.refiner == "none" else _installed(store, settings.refiner, "refiner")
    recognizer = Recognizer(
        detector_of(detector, Loading(settings, "many").session(detector), settings),
        refiner_of(refiner, Loading(settings, "many").session(refiner)) if refiner else None,
        TemplateAligner(template),
        NoEmbedder(),
    )
    return recognizer, tuple(model.model_id for model in (detector, refiner) if model)


def embedder_identity(settings: Settings) -> tuple[str, int]:
    """model_id and length of the templates these settings make, without loading the network.

    Raises:
        ModelMissingError, ModelDamagedError, CardError: As `build_recognizer` does.
    """
    store = ModelStore(settings.models_dir)
    try:
        model = _installed(store, settings.embedder, "embedder")
    except ModelMissingError:  # whoever wants to list or erase people need not pull a model first
        card = store.card(settings.embedder)
        expected = [_expected_sha256(store.card(member.name)) for member in card.members] or [_expected_sha256(card)]
        known = [sha256 for sha256 in expected if sha256]
        if len(known) < len(expected):
            raise
        sha256 = ensemble_sha256(card, known) if card.members else known[0]
        return f"{card.name}@{sha256[:8]}{_views(card, settings)[1]}", card.dimension or 0
    return model.model_id + _views(model.card, settings)[1], model.card.dimension or 0


def _expected_sha256(card: Card) -> str | None:
    return next((source.result_sha256 for source in card.sources if source.result_sha256), None)


def _views(card: Card, settings: Settings) -> tuple[tuple[Member, ...], str]:
    """What each network of an embedder looks at, and what the settings add to its model_id.

    Raises:
        ConfigError: The settings choose views for an ensemble, whose card does.
    """
    suffix = fusion_suffix(settings.flip_fusion, settings.crop_zooms)
    if not card.members:
        return (Member(name=card.name, weight=1.0, flip=settings.flip_fusion, zooms=settings.crop_zooms),), suffix
    if suffix:
        raise ConfigError(
            f"flip_fusion and crop_zooms are for a single embedder, but {card.name} says itself what its members see: "
            "take them out of the settings, or choose another ensemble"
        )
    return card.members, ""


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


def build_liveness(settings: Settings) -> tuple[MultiScaleDetector, CropLiveness]:
    """The detector and the liveness model of the settings, alone.

    Raises:
        ModelError: As `start_loading` does.
    """
    store = ModelStore(settings.models_dir)
    detector, live = _installed(store, settings.detector, "detector"), _installed(store, settings.liveness, "liveness")
    found = detector_of(detector, Loading(settings, "many").session(detector), settings)
    return found, liveness_of(live, Loading(settings, "many").session(live))


def liveness_point(settings: Settings) -> LivenessPoint | None:
    """Which score is live, as the card of the model in use says; None where liveness is off.

    Raises:
        NoOperatingPointError: The card states none for the installed file.
    """
    if settings.liveness == "none":
        return None
    model = ModelStore(settings.models_dir).installed(settings.liveness)
    point = model.card.liveness
    if point is None or point.model_id != model.model_id:
        raise NoOperatingPointError(
            f"nothing says which score of {model.model_id} is a live face: measure it with `knownface evaluate pad`, "
            'or turn liveness off (liveness = "none" in the settings)'
        )
    return point


def _embedding(
    model: InstalledModel,
    sessions: Sequence[Session],
    settings: Settings,
    batch: int = FACES_AT_ONCE,
    *,
    first_view: int = 0,
) -> tuple[TemplateAligner | SeveralAligner, NetworkEmbedder | EnsembleEmbedder]:
    """The embedder, and the aligner that cuts out what its networks look at; `first_view` is the place of the first."""
    from pipeline.align import SeveralAligner, TemplateAligner
    from pipeline.embed import EnsembleEmbedder

    aligners: list[TemplateAligner] = []
    embedders = []
    members, _ = _views(model.card, settings)
    for member, network, session in zip(members, model.members or (model,), sessions, strict=True):
        template = template_of(network.card)
        views = {"first_view": first_view + len(aligners), "flip_fusion": member.flip, "zooms": member.zooms}
        embedder = build_embedder(network.card, session, network.model_id, max_batch=batch, **views)
        embedders.append((embedder, member.weight))
        aligners += [TemplateAligner(template, zoom) for zoom in (1.0, *member.zooms)]
    aligner: TemplateAligner | SeveralAligner = aligners[0] if len(aligners) == 1 else SeveralAligner(aligners)
    if not model.members:
        return aligner, embedders[0][0]
    return aligner, EnsembleEmbedder(embedders, model_id=model.model_id)
