"""Everything that can be chosen about a run, read from TOML; unknown keys are errors, and defaults are those of papers.

The file that a run leaves in its folder holds every value, so that it can be read without knowing the defaults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.config import parse_toml, read_text
from pipeline.errors import ConfigError
from pipeline.weights.toml_out import to_toml
from training.backbones import NAMES
from training.engine.schedule import Decay
from training.engine.step import Precision


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Augment(_Section):
    """What is done to a training crop; see training/data/augment.py. All but `flip` are shares of the crops in [0, 1].

    Attributes:
        flip: Mirror every second crop.
        mask: Draw a face mask.
        occlusion: Cover one or two rectangles.
        colour: Change brightness, contrast, saturation and hue; one in ten of these turns grey.
        blur: Out of focus, or moved.
        downscale: Take pixels away, down to a fifth of the side.
        jpeg: Compress with a quality of 15 to 75.
    """

    flip: bool = True
    mask: float = Field(default=0.0, ge=0, le=1)
    occlusion: float = Field(default=0.0, ge=0, le=1)
    colour: float = Field(default=0.0, ge=0, le=1)
    blur: float = Field(default=0.0, ge=0, le=1)
    downscale: float = Field(default=0.0, ge=0, le=1)
    jpeg: float = Field(default=0.0, ge=0, le=1)


class Data(_Section):
    """The training photos.

    Attributes:
        path: A folder with a folder of crops per identity; or a shard, or a folder of shards: RecordIO, TFRecord, tar.
        image_feature: TFRecord: the feature with the crop; by default one of the usual names.
        label_feature: TFRecord: the feature with the identity; likewise.
        workers: Processes that read them; 0 reads in the training process.
        augment: What is done to a crop.
    """

    path: Path = Field(strict=False)
    image_feature: str | None = None
    label_feature: str | None = None
    workers: int = Field(default=2, ge=0, le=256)
    augment: Augment = Augment()


class BackboneChoice(_Section):
    """The network.

    Attributes:
        name: One of training.backbones.NAMES.
        dimension: Length of an embedding.
        width: Factor on the channels; IResNet and MobileFaceNet.
        dropout: Before the last layer; IResNet.
        drop_path: Share of the branches dropped in the last block; ViT.
        mask: Share of the patches hidden while training; ViT.
        weights: InsightFace's published `.pth` of the same network, to start from.
        sync_norm: Batch statistics over all ranks.
    """

    name: str = "iresnet50"
    dimension: int = Field(default=512, ge=1, le=8192)
    width: float | None = Field(default=None, gt=0, le=4)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    drop_path: float | None = Field(default=None, ge=0, lt=1)
    mask: float | None = Field(default=None, ge=0, lt=1)
    weights: Path | None = Field(default=None, strict=False)
    sync_norm: bool = False

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.name not in NAMES:
            raise ValueError(f"there is no backbone {self.name!r}; choose one of {', '.join(NAMES)}")
        allowed = {"drop_path", "mask"} if self.name.startswith("vit") else {"width"}
        if self.name.startswith("iresnet"):
            allowed.add("dropout")
        for option in sorted(self.options.keys() - allowed):
            raise ValueError(f"{self.name} takes no {option}")
        return self

    @property
    def options(self) -> dict[str, float]:
        """What the network's class takes beside its name and dimension."""
        return self.model_dump(include={"width", "dropout", "drop_path", "mask"}, exclude_none=True)


class MarginChoice(BaseModel):
    """The loss: a margin of training.margins with its own settings (`margin_rad`, `scale`, ...)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = "arcface"

    @property
    def settings(self) -> dict[str, object]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class TermChoice(BaseModel):
    """A term added to the loss: `ring`, `centre`, `contrastive` or `triplet`, with its own settings (`weight`, ...)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str

    @property
    def settings(self) -> dict[str, object]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class HeadChoice(_Section):
    """How the classes are held.

    Attributes:
        kind: `dense` is the textbook; `tiled` never forms the logits, and divides the classes over the ranks.
        fused: Move the classes while their gradient is made; tiled, SGD.
        sample_rate: Share of the classes in a step (PartialFC); tiled.
    """

    kind: Literal["dense", "tiled"] = "tiled"
    fused: bool = False
    sample_rate: float = Field(default=1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.kind == "dense" and (self.fused or self.sample_rate < 1):
            raise ValueError("a dense head is neither fused nor sampled; set kind = 'tiled'")
        return self


class OptimiserChoice(_Section):
    """How weights are moved.

    Attributes:
        name: `sgd` or `adamw`.
        lr: Highest learning rate.
        momentum: Of SGD.
        weight_decay: Of all weights.
        clip: Largest norm of the backbone's gradient; 0 for no limit.
    """

    name: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(default=0.1, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    clip: float = Field(default=5.0, ge=0)


class ScheduleChoice(_Section):
    """The learning rate over the run; see training/engine/schedule.py.

    Attributes:
        warmup_epochs: Length of the warm-up.
        decay: Shape after it.
        power: Of the polynomial.
        final_lr: What it ends with.
    """

    warmup_epochs: float = Field(default=0.0, ge=0)
    decay: Decay = "polynomial"
    power: float = Field(default=2.0, gt=0)
    final_lr: float = Field(default=0.0, ge=0)


class EvaluationChoice(_Section):
    """A verification set: every pair of its crops is compared.

    Attributes:
        name: What to call it.
        path: A set like that of the training photos, of people who are not trained on.
        every_epochs: How often.
        photos: At most so many of its crops, evenly chosen.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    path: Path = Field(strict=False)
    every_epochs: int = Field(default=1, ge=1)
    photos: int = Field(default=4000, ge=2, le=10_000)


class TrainConfig(_Section):
    """A run.

    Attributes:
        run: Folder for its checkpoints, logs and configuration.
        seed: Of weights, order and augmentation.
        epochs: How often each photo is seen.
        batch: Photos of a step, over all ranks and micro-batches.
        accumulate: Micro-batches of a rank in a step.
        precision: Of the backbone's layers: fp32, bf16, or fp16 with dynamic loss scaling.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        threads: Of torch on a CPU; 0 leaves it to torch.
        channels_last: Memory format; faster on GPUs with half precision.
        compile: Run the backbone through torch.compile.
        checkpointing: Recompute activations instead of keeping them.
        ema: Decay of the moving average of the weights, which is then what is evaluated and exported; 0 for none.
        save_every_steps: Between checkpoints, beside those at the end of each epoch; 0 for those only.
        log_every_steps: Between lines of the log.
        tensorboard: Write curves for TensorBoard.
    """

    run: Path = Field(strict=False)
    seed: int = Field(default=0, ge=0, lt=2**31)
    epochs: int = Field(default=20, ge=1)
    batch: int = Field(default=128, ge=2)
    accumulate: int = Field(default=1, ge=1)
    precision: Precision = "fp32"
    device: str = "auto"
    threads: int = Field(default=0, ge=0, le=1024)
    channels_last: bool = False
    compile: bool = False
    checkpointing: bool = False
    ema: float = Field(default=0.0, ge=0, lt=1)
    save_every_steps: int = Field(default=1000, ge=0)
    log_every_steps: int = Field(default=20, ge=1)
    tensorboard: bool = True
    data: Data
    backbone: BackboneChoice = BackboneChoice()
    margin: MarginChoice = MarginChoice()
    terms: list[TermChoice] = []
    head: HeadChoice = HeadChoice()
    optimiser: OptimiserChoice = OptimiserChoice()
    schedule: ScheduleChoice = ScheduleChoice()
    evaluation: list[EvaluationChoice] = []

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.head.fused and self.optimiser.name != "sgd":
            raise ValueError("a fused head is moved by SGD; set optimiser.name = 'sgd' or head.fused = false")
        names = [choice.name for choice in self.evaluation]
        if len(set(names)) < len(names):
            raise ValueError("two evaluations have the same name")
        return self

    @classmethod
    def read(cls, file: Path) -> Self:
        """Reads a configuration; relative paths in it are taken from the folder in which the command runs.

        Raises:
            ConfigError: The file cannot be read, is not TOML, or has a key or value that is not allowed.
        """
        return cls.of(parse_toml(read_text(file, ConfigError), file, ConfigError), str(file))

    @classmethod
    def of(cls, document: dict[str, object], label: str) -> Self:
        """The same from a document that is parsed already; paths become absolute.

        Raises:
            ConfigError: A key or value is not allowed.
        """
        try:
            config = cls.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "configuration"
            raise ConfigError(f"{label}: {where}: {first['msg'].removeprefix('Value error, ')}") from error
        return config._absolute()

    def toml(self) -> str:
        """Every value, as TOML that `read` takes."""
        return to_toml(self.model_dump(mode="json"))

    def _absolute(self) -> Self:
        backbone = self.backbone
        if backbone.weights is not None:
            backbone = backbone.model_copy(update={"weights": backbone.weights.absolute()})
        data = self.data.model_copy(update={"path": self.data.path.absolute()})
        evaluation = [one.model_copy(update={"path": one.path.absolute()}) for one in self.evaluation]
        return self.model_copy(
            update={"run": self.run.absolute(), "data": data, "backbone": backbone, "evaluation": evaluation}
        )
