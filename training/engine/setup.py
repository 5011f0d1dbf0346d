"""From a configuration to everything a run consists of. Nothing is trained or written here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pipeline.errors import ConfigError
from training.backbones import Backbone, build_backbone
from training.backbones.insightface import load_insightface
from training.data import FaceDataset, Plan, open_dataset
from training.data.augment import Augmentation, augmentations
from training.data.loader import Batches
from training.engine.config import Augment, Data, TrainConfig
from training.engine.evaluate import VerificationSet
from training.engine.step import Stepper
from training.engine.sync_norm import synchronised
from training.engine.world import World
from training.heads import DenseHead, Head, TiledHead
from training.margins import MARGINS, CentreLoss, ContrastiveLoss, Margin, RingLoss, TripletLoss

_TERMS: dict[str, Callable[..., nn.Module]] = {
    "ring": RingLoss,
    "centre": CentreLoss,
    "contrastive": ContrastiveLoss,
    "triplet": TripletLoss,
}


@dataclass(slots=True)
class Parts:
    """What a run consists of.

    Attributes:
        config: What was chosen.
        world: Ranks and device.
        dataset: The photos.
        plan: Their order.
        batches: This rank's share of them.
        network: The backbone as it is saved.
        head: Class vectors and margin.
        terms: What is added to its loss.
        stepper: Moves them all.
        average: Moving average of the backbone, if there is one.
    """

    config: TrainConfig
    world: World
    dataset: FaceDataset
    plan: Plan
    batches: Batches
    network: Backbone
    head: Head
    terms: nn.ModuleList
    stepper: Stepper
    average: AveragedModel | None

    @property
    def evaluated(self) -> Backbone:
        """What is evaluated and exported: the moving average, or the backbone itself."""
        return self.network if self.average is None else cast(Backbone, self.average.module)

    @property
    def data_hash(self) -> str:
        """SHA-256 of identities and labels: whether a run goes on with the photos it began with."""
        digest = hashlib.sha256("\n".join(self.dataset.identities).encode("utf-8", "surrogateescape"))
        digest.update(self.dataset.labels.astype("<i8").tobytes())
        return digest.hexdigest()


def build(config: TrainConfig, world: World) -> Parts:
    """Builds a run from its start; the same weights on every rank.

    Raises:
        ConfigError: The choices do not go together.
        TrainingDataError: The photos cannot be used.
        CheckpointError: The weights to start from cannot be used.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    dataset = build_dataset(config.data)
    plan = Plan(len(dataset), config.batch, config.seed, config.epochs)
    if plan.steps == 0:
        raise ConfigError(f"{config.data.path}: {len(dataset)} photos do not fill one batch of {config.batch}")
    if config.batch % (world.size * config.accumulate):
        share = f"{world.size} ranks x {config.accumulate} micro-batches"
        raise ConfigError(f"batch = {config.batch} cannot be divided among {share}")
    batches = Batches(
        dataset,
        plan,
        rank=world.rank,
        ranks=world.size,
        accumulate=config.accumulate,
        augmentations=build_augmentations(config.data.augment),
        workers=config.data.workers,
        pin=world.device.type == "cuda",
    )
    network = build_network(config, world)
    head = build_head(config, world, len(dataset.identities))
    terms = build_terms(config, world, len(dataset.identities))
    stepper = build_stepper(config, world, network, head, terms)
    average = None
    if config.ema:
        average = AveragedModel(network, multi_avg_fn=_moving(config.ema), use_buffers=True)
    torch.manual_seed(config.seed + 1 + world.rank)  # dropout and masks differ from rank to rank
    return Parts(config, world, dataset, plan, batches, network, head, terms, stepper, average)


def build_dataset(data: Data) -> FaceDataset:
    """The reader of the training photos."""
    return open_dataset(data.path, image_feature=data.image_feature, label_feature=data.label_feature)


def build_augmentations(augment: Augment) -> list[Augmentation]:
    """What is done to a crop, in order."""
    return augmentations(flipped=augment.flip, shares=augment.model_dump(exclude={"flip"}))


def build_network(config: TrainConfig, world: World) -> Backbone:
    """The backbone on its device, drawn from the seed or read from published weights."""
    choice = config.backbone
    torch.manual_seed(config.seed)
    network = build_backbone(choice.name, dimension=choice.dimension, **choice.options)
    if choice.weights is not None:
        load_insightface(network, choice.weights)
    network.checkpointing = config.checkpointing
    network = network.to(world.device)
    if config.channels_last:
        network = network.to(memory_format=torch.channels_last)
    return synchronised(network, world) if choice.sync_norm else network  # type: ignore[return-value]


def build_margin(name: str, settings: Mapping[str, object]) -> Margin:
    """A margin by name.

    Raises:
        ConfigError: There is no such margin, or it has no such setting.
    """
    if name not in MARGINS:
        raise ConfigError(f"there is no margin {name!r}; choose one of {', '.join(MARGINS)}")
    try:
        return MARGINS[name](**settings)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"margin {name}: {error}") from error


def build_head(config: TrainConfig, world: World, classes: int) -> Head:
    """The class vectors on their device."""
    choice, dimension = config.head, config.backbone.dimension
    margin = build_margin(config.margin.name, config.margin.settings)
    common = {"seed": config.seed, "group": world.group, "device": world.device}
    if choice.kind == "dense":
        return DenseHead(margin, classes, dimension, **common)  # type: ignore[arg-type]
    return TiledHead(margin, classes, dimension, sample_rate=choice.sample_rate, fused=choice.fused, **common)  # type: ignore[arg-type]


def build_terms(config: TrainConfig, world: World, classes: int) -> nn.ModuleList:
    """What is added to the head's loss.

    Raises:
        ConfigError: There is no such term, or it has no such setting.
    """
    terms = []
    for choice in config.terms:
        if choice.name not in _TERMS:
            raise ConfigError(f"there is no term {choice.name!r}; choose one of {', '.join(_TERMS)}")
        own = (classes, config.backbone.dimension) if choice.name == "centre" else ()
        group = {"group": world.group} if choice.name == "centre" else {}
        try:
            terms.append(_TERMS[choice.name](*own, **choice.settings, **group))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"term {choice.name}: {error}") from error
    return nn.ModuleList(terms).to(world.device)


def build_stepper(config: TrainConfig, world: World, network: Backbone, head: Head, terms: nn.ModuleList) -> Stepper:
    """The step, with an optimiser for each."""
    choice = config.optimiser
    moved = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if isinstance(head, TiledHead) and head.fused:
        head_optimiser: Optimizer = head.sgd(lr=choice.lr, momentum=choice.momentum, weight_decay=choice.weight_decay)
    else:
        head_optimiser = _optimiser(config, list(head.parameters()))
    return Stepper(
        network,
        head,
        _optimiser(config, moved),
        head_optimiser,
        world,
        terms=terms,
        term_optimiser=_optimiser(config, learnt, weight_decay=0.0) if (learnt := list(terms.parameters())) else None,
        precision=config.precision,
        clip=choice.clip,
        channels_last=config.channels_last,
        compiled=config.compile,
        shared_head=config.head.kind == "dense",
    )


def _moving(decay: float) -> Callable[..., None]:
    make: Callable[[float], Callable[..., None]] = get_ema_multi_avg_fn
    return make(decay)


def _optimiser(config: TrainConfig, parameters: list[nn.Parameter], *, weight_decay: float | None = None) -> Optimizer:
    choice = config.optimiser
    decay = choice.weight_decay if weight_decay is None else weight_decay
    if choice.name == "adamw":
        return torch.optim.AdamW(parameters, lr=choice.lr, weight_decay=decay)
    return torch.optim.SGD(parameters, lr=choice.lr, momentum=choice.momentum, weight_decay=decay)


def build_evaluations(config: TrainConfig) -> list[VerificationSet]:
    """The verification sets, in the order of the configuration."""
    return [VerificationSet.of(choice.name, open_dataset(choice.path), choice.photos) for choice in config.evaluation]
