"""From a checkpoint to an ONNX file and its card, as `knownface models add` takes them."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from pipeline.errors import CheckpointError
from pipeline.protocols import Array
from pipeline.weights.card import Card, Licence, Preprocessing
from pipeline.weights.card_sources import FileSource
from pipeline.weights.toml_out import to_toml
from training.backbones import Backbone, build_backbone
from training.engine import checkpoint
from training.engine.config import TrainConfig

#: Largest difference between an exported network and the one it came from that is let through.
TOLERANCE = 1e-4
_OPSET = 18
_NOT_STATED = Licence(code="MIT", weights="not stated", training_data="not stated", commercial_use=False)


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote.

    Attributes:
        onnx: The network: (N, 3, 112, 112) float32 in, (N, D) out, N free.
        card: Its card, beside it under the same name.
        max_abs_difference: Largest difference between ONNX Runtime and torch that was seen.
    """

    onnx: Path
    card: Path
    max_abs_difference: float


class TorchSession:
    """A backbone in torch on the CPU, behind the pipeline's `Session`: what an export is held against."""

    runtime = "torch/cpu fp32"
    inputs = ("input",)
    outputs = ("embedding",)

    def __init__(self, network: Backbone) -> None:
        self._network = network

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the network once."""
        with torch.no_grad():
            return {"embedding": self._network(torch.from_numpy(np.ascontiguousarray(inputs["input"]))).numpy()}


@dataclass(frozen=True, slots=True)
class OpenCheckpoint:
    """A checkpoint as `knownface export` takes it.

    Attributes:
        label: The run and the step, without the path.
        card: How it is fed.
        onnx: The network in fp32; there as long as the checkpoint is open.
        session: The network in torch.
    """

    label: str
    card: Card
    onnx: Path
    session: TorchSession


@contextmanager
def exported_checkpoint(run: Path, which: str) -> Iterator[OpenCheckpoint]:
    """Opens a run's `best` or `last` checkpoint, or the folder of one checkpoint, and exports it in fp32.

    Raises:
        CheckpointError: There is none, or the exported network does not agree with torch to within TOLERANCE.
    """
    folder = run if (run / "state.json").is_file() else checkpoint.find(run, which)
    config, network = read_backbone(folder)
    own = folder.parent.parent.resolve().name if folder == run else run.resolve().name
    tag = re.sub(r"[^a-z0-9_-]+", "-", own.lower()).strip("-_") or "run"
    label = f"{own}/{folder.name}"
    provenance = f"trained by knownface train: {config.margin.name}, {config.epochs} epochs, checkpoint {folder.name}"
    title = f"{config.backbone.name}, trained here"
    with tempfile.TemporaryDirectory(prefix="knownface-") as place:
        made = export_backbone(
            network, Path(place), name=f"{config.backbone.name}.{tag}", title=title, provenance=provenance
        )
        yield OpenCheckpoint(label, Card.read(made.card), made.onnx, TorchSession(network))


def read_backbone(folder: Path) -> tuple[TrainConfig, Backbone]:
    """Configuration and backbone of a checkpoint, in evaluation mode; the moving average where there is one.

    Raises:
        CheckpointError: It cannot be read.
    """
    config, tensors = checkpoint.read_network(folder)
    choice = config.backbone
    network = build_backbone(choice.name, dimension=choice.dimension, **choice.options)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{folder}: its weights are not those of {choice.name}") from error
    return config, network.eval()


def export_run(run: Path, out: Path, *, name: str, which: str = "best") -> Exported:
    """Exports a run's `best` (or `last`) checkpoint.

    Args:
        run: Folder of the run.
        out: Folder to write to.
        name: Of the model, `arch.tag`.
        which: Which checkpoint.

    Raises:
        CheckpointError: There is no such checkpoint, or the exported network does not agree with it.
    """
    folder = checkpoint.find(run, which)
    config, network = read_backbone(folder)
    provenance = f"trained by knownface train: {config.margin.name}, {config.epochs} epochs, checkpoint {folder.name}"
    return export_backbone(
        network, out, name=name, title=f"{config.backbone.name}, trained here", provenance=provenance
    )


def export_backbone(network: Backbone, out: Path, *, name: str, title: str, provenance: str) -> Exported:
    """Writes `OUT/NAME.onnx` and `OUT/NAME.toml`; the network must be in evaluation mode.

    Raises:
        CheckpointError: ONNX Runtime and torch do not agree to within TOLERANCE.
    """
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{name}.onnx"
    photos = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    program = torch.onnx.export(
        network,
        (photos,),
        input_names=["input"],
        output_names=["embedding"],
        dynamic_shapes={"x": {0: torch.export.Dim("batch")}},
        opset_version=_OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # noqa: S101 - None only with the old exporter
    model = program.model_proto
    _clean(model)
    onnx.checker.check_model(model)
    onnx.save_model(model, file)
    difference = max(_difference(network, file, batch) for batch in (1, 3))
    if not difference <= TOLERANCE:
        file.unlink()
        raise CheckpointError(f"{name}: ONNX Runtime differs from torch by {difference:.2g}, more than {TOLERANCE:g}")
    card = out / f"{name}.toml"
    card.write_text(to_toml(_card(network, file, name, title, provenance)), encoding="utf-8")
    return Exported(file, card, difference)


def _card(network: Backbone, file: Path, name: str, title: str, provenance: str) -> dict[str, object]:
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    card = Card(
        name=name,
        title=f"{title}: {network.dimension}-d face embedder",
        task="embedder",
        family="arcface",
        sources=(FileSource(kind="file", path=file.name, sha256=sha256, result_sha256=sha256),),
        preprocessing=Preprocessing(
            input_hw=(112, 112), colour="rgb", mean=(127.5,) * 3, std=(127.5,) * 3, template="arcface-112"
        ),
        dimension=network.dimension,
        licence=_NOT_STATED,
        provenance=provenance,
    )
    return card.model_dump(mode="json", exclude_defaults=True)


def _clean(model: onnx.ModelProto) -> None:
    """Takes out what the exporter tells about this machine: paths of source files in the nodes' metadata."""
    del model.metadata_props[:]
    model.doc_string = ""
    for graph in (model.graph, *model.functions):
        del graph.metadata_props[:]
        graph.doc_string = ""
        for node in graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ""


def _difference(network: nn.Module, file: Path, batch: int) -> float:
    photos: Tensor = torch.rand(batch, 3, 112, 112, generator=torch.Generator().manual_seed(batch)) * 2 - 1
    with torch.no_grad():
        expected = network(photos).numpy()
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: photos.numpy()})
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max())
