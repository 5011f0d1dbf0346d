"""The card of a model: everything about it that is not the weights.

A card is the file `<arch>.<tag>.toml`. Together with the weights it is the only contract between whoever trained or
published a model and the pipeline that runs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from pipeline.config import parse_toml, read_text
from pipeline.errors import CardError
from pipeline.types import LivenessPoint, OperatingPoint, QualityFit, fusion_suffix
from pipeline.weights.card_sources import CardPart, Source

NAME_PATTERN = r"[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9_.-]*"
_FUSION = r"(\+flip)?(\+zoom[0-9._]+)?"
#: Of a member of an ensemble: its name, and what it sees beside the crop.
LABEL = rf"(?P<name>{NAME_PATTERN})(?P<flip>\+flip)?(\+zoom(?P<zooms>[0-9._]+))?"
_ENSEMBLE = rf"{NAME_PATTERN}{_FUSION}(\+{NAME_PATTERN}{_FUSION})+"

_WEIGHT_TOLERANCE = 1e-6

Zoom = Annotated[float, Field(ge=0.5, le=2.0)]
Task = Literal["detector", "refiner", "embedder", "liveness", "eyes"]
Family = Literal["yunet", "scrfd", "onet", "sface", "arcface", "dlib", "ensemble", "crop_liveness", "eye_state"]
Precision = Literal["fp32", "fp16", "int8"]
Step = Literal["from_dlib", "fold_dequantize", "dynamic_batch", "dynamic_size", "clean"]


class Preprocessing(CardPart):
    """What the network wants to be fed: `(x - mean) / std` per channel, x in 0..255.

    Attributes:
        input_hw: Height and width in pixels; (0, 0) for a fully convolutional network that takes any size.
        multiple_of: Height and width must be multiples of this (pad right and below).
        colour: Order of the channels; of grey there is one, and mean and std are three times the same.
        mean: Per channel, in the order of `colour`, on the scale 0..255.
        std: Per channel, likewise.
        layout: Order of the axes.
        transposed: Height and width are exchanged (the network was trained on images turned about the diagonal).
        template: Name of the landmark template a face is aligned to, e.g. `arcface-112`; "" for none.
        folded: The network does it itself: it takes (N, H, W, 3) uint8 RGB and gives `embedding`, unit vectors, and
            `norm`, (N, 1), their former lengths; colour, mean, std and layout then say what it does inside.
    """

    input_hw: tuple[int, int]
    multiple_of: int = Field(default=1, ge=1)
    colour: Literal["rgb", "bgr", "grey"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    layout: Literal["nchw", "nhwc"] = "nchw"
    transposed: bool = False
    template: str = ""
    folded: bool = False

    @property
    def dynamic_size(self) -> bool:
        """Whether the network takes photos of any height and width."""
        return self.input_hw == (0, 0)


#: Of an ensemble. No network's: it divides by nothing.
_NO_PREPROCESSING = Preprocessing(input_hw=(0, 0), colour="rgb", mean=(0, 0, 0), std=(0, 0, 0))


class Licence(CardPart):
    """Under which terms the parts of a model may be used; "not stated" where nobody says.

    Attributes:
        code: Licence of the code that made the model.
        weights: Licence of the weights.
        training_data: Which data it was trained on, under which terms.
        commercial_use: The licence of the weights allows commercial use.
        note: Anything else one should know.
    """

    code: str
    weights: str
    training_data: str
    commercial_use: bool
    note: str = ""


class Paper(CardPart):
    """Where the method is described."""

    title: str
    year: int
    url: str


class RuntimeRecord(CardPart):
    """Which runtime runs a model fastest on this machine, as measured when it was pulled.

    Attributes:
        runtime: Name of the chosen runtime.
        ms: Milliseconds per run, one entry per runtime that was measured.
        max_abs_difference: Largest absolute difference between the runtimes' outputs.
    """

    runtime: str
    ms: dict[str, float]
    max_abs_difference: float


class Parity(CardPart):
    """What was found when an exported model was held against its source, on faces not used to make it.

    Attributes:
        source: What it was exported from: a model_id, or the checkpoint of a run.
        faces: How many.
        people: Of how many people.
        mean_cosine: Mean cosine similarity of its vectors and the source's, in the runtime where it is lowest.
        min_cosine: The lowest of a face.
        flips: Comparisons that were decided differently at the operating point.
        comparisons: Of how many.
        data: Which faces, in words.
    """

    source: str
    faces: int
    people: int
    mean_cosine: float
    min_cosine: float
    flips: int
    comparisons: int
    data: str


class Member(CardPart):
    """One embedder of an ensemble.

    Attributes:
        name: Of its card.
        weight: Its share of the score, above 0; the weights of an ensemble sum to 1.
        flip: It sees the mirrored crop too.
        zooms: It sees further crops too, larger by these factors.
    """

    name: str = Field(pattern=f"^{NAME_PATTERN}$")
    weight: float = Field(gt=0, le=1)
    flip: bool = False
    zooms: tuple[Zoom, ...] = ()

    @property
    def label(self) -> str:
        """Its name with what it sees, as it stands in the ensemble's name."""
        return self.name + fusion_suffix(self.flip, self.zooms)


class Card(CardPart):
    """A model card.

    Attributes:
        name: `arch.tag`, also the name of the file; of an ensemble the labels of its members, joined by "+".
        title: One line for people.
        task: Which stage of the pipeline it serves.
        family: Which decoder of the pipeline reads its outputs.
        pack: Name of the pack it belongs to, "" if to none; `models pull PACK` pulls them all.
        sources: Where to get it, in order of preference.
        transform: Steps applied to the fetched ONNX file, in order.
        preprocessing: What the network wants to be fed; ensembles have none.
        members: The embedders of an ensemble.
        dimension: Length of its templates; embedders only.
        licence: Terms of use.
        paper: Where the method is described.
        provenance: Where a model that was added by hand came from.
        precision: Of its weights, and for int8 of what is computed.
        parity: Of an exported model: how it compares with its source.
        operating_points: What was measured for it; `model_id` says for which result of the transform.
        quality: How its templates tell the quality of a face; embedders only, None where nobody has fitted it.
        liveness: Which score is live and what is known about the errors of that; liveness only.
    """

    name: str = Field(pattern=f"^({NAME_PATTERN}|{_ENSEMBLE})$")
    title: str = ""
    task: Task
    family: Family
    pack: str = ""
    sources: tuple[Source, ...] = ()
    transform: tuple[Step, ...] = ()
    preprocessing: Preprocessing = _NO_PREPROCESSING
    members: tuple[Member, ...] = ()
    dimension: int | None = Field(default=None, gt=0)
    licence: Licence
    paper: Paper | None = None
    provenance: str = ""
    precision: Precision = "fp32"
    parity: Parity | None = None
    operating_points: tuple[OperatingPoint, ...] = ()
    quality: QualityFit | None = None
    liveness: LivenessPoint | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.task == "embedder") != (self.dimension is not None):
            raise ValueError("dimension belongs to an embedder, and only there")
        if self.quality is not None and self.task != "embedder":
            raise ValueError("quality belongs to an embedder, and only there")
        if self.liveness is not None and self.task != "liveness":
            raise ValueError("a liveness point belongs to a model for liveness, and only there")
        if self.family == "ensemble":
            self._check_members()
        elif self.members or "+" in self.name or self.preprocessing == _NO_PREPROCESSING:
            raise ValueError("a network needs its preprocessing; members, and a + in the name, belong to an ensemble")
        for point in self.operating_points:
            if not re.fullmatch(re.escape(self.name) + r"@[0-9a-f]{8}" + _FUSION, point.model_id):
                raise ValueError(f"operating point of {point.model_id} in the card of {self.name}")
        return self

    def _check_members(self) -> None:
        if self.task != "embedder" or self.sources or self.transform or self.preprocessing != _NO_PREPROCESSING:
            raise ValueError("an ensemble is an embedder and has members instead of sources, transform, preprocessing")
        if self.name != "+".join(member.label for member in self.members):
            raise ValueError("the name of an ensemble is its members' names, joined by +")
        if abs(sum(member.weight for member in self.members) - 1) > _WEIGHT_TOLERANCE:
            raise ValueError("the weights of the members must sum to 1")

    @classmethod
    def read(cls, file: Path) -> Self:
        """Reads a card from its TOML file.

        Raises:
            CardError: The file cannot be read, is not TOML, does not validate, or is named otherwise than its model.
        """
        try:
            card = cls.model_validate(parse_toml(read_text(file, CardError), file, CardError))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "card"
            raise CardError(f"{file}: {where}: {first['msg']}") from error
        if card.name != file.stem:
            raise CardError(f"{file}: is the card of {card.name}; name the file {card.name}.toml")
        return card


def _shipped(folder: str, installed_as: str) -> Path:
    package = Path(__file__).resolve().parent.parent
    installed = package / installed_as
    return installed if installed.is_dir() else package.parent / folder


def cards_dir() -> Path:
    """Folder of the cards that come with Knownface: inside the installed package, or `weights/` of a clone."""
    return _shipped("weights", "_cards")


def data_dir() -> Path:
    """Folder of the data manifests that come with Knownface: inside the installed package, or `data/` of a clone."""
    return _shipped("data", "_data")


def load_cards(folders: Iterable[Path] | None = None) -> dict[str, Card]:
    """Every card by name, sorted; by default those that come with Knownface. A later folder wins over an earlier one.

    Raises:
        CardError: A card is invalid.
    """
    cards: dict[str, Card] = {}
    for folder in (cards_dir(),) if folders is None else folders:
        for file in sorted(folder.glob("*.toml")):
            card = Card.read(file)
            cards[card.name] = card
    return dict(sorted(cards.items()))
