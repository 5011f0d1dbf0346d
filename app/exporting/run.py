"""One export: made, checked, held against its source, and only then left in the folder with its card."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.evaluation.output import Run
from app.evaluation.records import Pair
from app.exporting import parity, report, timing
from app.exporting.faces import FaceSet
from pipeline.blobs import planar
from pipeline.decide import choose_verify_point
from pipeline.embed import NetworkEmbedder
from pipeline.errors import CardError, ConfigError, ExportRefusedError, NoOperatingPointError, RuntimeUnavailableError
from pipeline.export import graph, precision
from pipeline.onnx_runtime import OnnxRuntimeSession
from pipeline.protocols import Session
from pipeline.runtime import OpenVinoSession, load_session
from pipeline.stage_models import build_embedder
from pipeline.types import F32, AlignedFaces, OperatingPoint
from pipeline.version import __version__
from pipeline.weights import Card, InstalledModel
from pipeline.weights.card import Parity, Precision
from pipeline.weights.card_sources import FileSource
from pipeline.weights.toml_out import to_toml

if TYPE_CHECKING:
    from onnx import ModelProto

#: Lowest mean cosine similarity to the source that is let through by default.
MEAN_COSINE: dict[str, float] = {"fp32": 0.999, "fp16": 0.999, "int8": 0.99}


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported.

    Attributes:
        model_id: What it is called: a model_id, or the checkpoint of a run.
        card: How it is fed, its licence, its operating points.
        onnx: The network in fp32 ONNX.
        session: The source itself, which vectors are held against.
        size: Bytes of its file; None where it has none.
    """

    model_id: str
    card: Card
    onnx: Path
    session: Session
    size: int | None


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted.

    Attributes:
        name: Of the new model, `arch.tag`.
        precision: Of the new model.
        dynamic: int8 without calibration.
        folded: With its preprocessing inside.
        tolerance: How far it may be from its source.
        pairs: What is compared; None for every face with every other.
    """

    name: str
    precision: Precision
    tolerance: parity.Tolerance
    dynamic: bool = False
    folded: bool = False
    pairs: Sequence[Pair] | None = None


def installed_source(model: InstalledModel) -> Source:
    """An installed embedder as a source, in the runtime that serves it best.

    Raises:
        CardError: It is no single network that makes templates, or it is an export in another precision itself.
    """
    card = model.card
    if card.task != "embedder" or card.members:
        raise CardError(f"{card.name}: only a single embedder can be exported; name one (an ensemble's member, say)")
    if card.precision != "fp32" or card.preprocessing.folded:
        raise CardError(f"{card.name}: was exported itself ({card.precision}); export the model it was made from")
    return Source(model.model_id, card, model.file, load_session(model), model.file.stat().st_size)


def export(
    source: Source,
    request: Request,
    out: Path,
    faces: FaceSet,
    calibration: FaceSet | None,
    run: Run,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """Makes OUT/NAME.onnx and OUT/NAME.toml, and the report OUT/NAME.parity.json, .md and .html.

    Args:
        source: What is exported.
        request: What is wanted.
        out: The folder; made if need be.
        faces: For the report.
        calibration: For static int8; other faces than those.
        run: The command and its settings, for the report.
        note: Told what is being done.

    Returns:
        The report as it stands in the JSON file, with the paths `onnx` and `card`.

    Raises:
        ExportRefusedError: It does not pass ONNX's checker, does not run at every batch, or does not decide like its
            source. The report is there, the model is not.
        CardError, ConfigError: The source cannot be exported so, or the faces do not suffice.
    """
    if calibration is not None and len(faces.without(calibration)) < len(faces):
        raise ConfigError("faces for calibration are among those of the parity report")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise ConfigError(f"{out}: is a file; --out names a folder") from error
    for old in (out / f"{request.name}.onnx", out / f"{request.name}.toml"):
        old.unlink(missing_ok=True)  # of an earlier export; it would look like this one's
    with tempfile.TemporaryDirectory(dir=out, prefix=".export-") as folder:
        made = Path(folder, f"{request.name}.onnx")
        note(f"making {request.name}")
        card, opset = _make(source, request, calibration, made)
        document = _judge(source, request, card, made, faces, note)
        document |= {"opset": opset, "calibration": _calibration(calibration, request), **run.as_dict()}
        report.write(out, request.name, document)
        if document["problems"]:
            where = out / f"{request.name}.parity.html"
            reasons = "; ".join(document["problems"])
            raise ExportRefusedError(f"{request.name} does not decide like {source.model_id}: {reasons}; see {where}")
        final = _finished(source, card, document)
        made.replace(out / made.name)
        card_file = out / f"{request.name}.toml"
        card_file.write_text(to_toml(final.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    return document | {"onnx": str(out / made.name), "card": str(card_file)}


def _make(source: Source, request: Request, calibration: FaceSet | None, file: Path) -> tuple[Card, int]:
    """Writes the network; its card without what the comparison will tell."""
    model = graph.read(source.onnx)
    prep = source.card.preprocessing
    model = _converted(model, source.card, request, calibration)
    if request.folded:
        graph.fold(model, prep)
        prep = prep.model_copy(update={"folded": True})
    changes = {"name": request.name, "precision": request.precision, "preprocessing": prep, "sources": ()}
    rest = {"transform": (), "pack": "", "operating_points": (), "title": f"{source.card.title} ({request.precision})"}
    card = source.card.model_copy(update={**changes, **rest})
    graph.describe(model, graph.facts_of(card, source.model_id, __version__))
    graph.save(model, file)
    graph.check_batches(file, card)
    return card, graph.opset_of(model)


def _converted(model: ModelProto, card: Card, request: Request, calibration: FaceSet | None) -> ModelProto:
    if request.precision == "fp16":
        return precision.to_fp16(model)
    if request.precision == "int8" and request.dynamic:
        return precision.to_dynamic_int8(model)
    if request.precision == "int8":
        if calibration is None:
            raise ConfigError("static int8 needs faces for calibration: --calibration-photos DIR, or --dynamic")
        return precision.to_int8(model, fed(card, calibration))
    return model


def fed(card: Card, faces: FaceSet) -> F32:
    """What the network of a card is fed for these faces, (N, 3, H, W) or (N, H, W, 3) float32."""
    prep = card.preprocessing
    blob = planar(list(faces.crops), bgr=prep.colour == "bgr", mean=prep.mean[0], std=prep.std[0])
    return blob if prep.layout == "nchw" else np.ascontiguousarray(blob.transpose(0, 2, 3, 1))


def _judge(
    source: Source, request: Request, card: Card, file: Path, faces: FaceSet, note: Callable[[str], None]
) -> dict[str, Any]:
    """Everything the report says about the network."""
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    model_id = f"{card.name}@{sha256[:8]}"
    aligned = AlignedFaces(faces.crops, np.zeros((len(faces), 2, 3), np.float32))
    embedders = {
        name: build_embedder(card, session, model_id, max_batch=32) for name, session in _sessions(file, card).items()
    }
    own = build_embedder(source.card, source.session, source.model_id, max_batch=32)
    note(f"embedding {len(faces)} faces in {', '.join(['the source', *embedders])}")
    before = own.embed(aligned).vectors
    after = {name: embedder.embed(aligned).vectors for name, embedder in embedders.items()}
    compared = (
        parity.every_comparison(faces) if request.pairs is None else parity.listed_comparisons(faces, request.pairs)
    )
    note(f"comparing {len(compared.mated):,} pairs")
    found = parity.compare(before, after, faces, compared, _point(source, run_fmr=1e-3), request.tolerance)
    note("timing")
    problems = found.pop("problems")
    return {
        "kind": "parity",
        "format": 1,
        "name": card.name,
        "model_id": model_id,
        "precision": request.precision,
        "dynamic": request.dynamic,
        "folded": request.folded,
        "sha256": sha256,
        "size": file.stat().st_size,
        "source": {"model_id": source.model_id, "runtime": source.session.runtime, "size": source.size},
        "passed": not problems,
        "problems": problems,
        "parity": found,
        "timing": timing.measure(_timed(source, own, embedders), _tiled(aligned)),
    }


def _timed(
    source: Source, own: NetworkEmbedder, embedders: Mapping[str, NetworkEmbedder]
) -> dict[str, NetworkEmbedder]:
    return {f"source, {source.session.runtime}": own, **embedders}


def _tiled(faces: AlignedFaces) -> AlignedFaces:
    """At least as many faces as the largest batch that is timed, the same ones again where there are fewer."""
    rows = np.arange(max(timing.BATCHES)) % len(faces)
    return AlignedFaces(faces.crops[rows], faces.transforms[rows])


def _sessions(file: Path, card: Card) -> dict[str, Session]:
    """The network in every runtime there is, by the runtime's name; one stream, one thread."""
    found: list[Session] = [OnnxRuntimeSession(file, precision=card.precision)]
    with suppress(RuntimeUnavailableError):  # without OpenVINO the export is judged where it can run
        found.append(OpenVinoSession(file, streams=1, precision=card.precision))
    return {session.runtime: session for session in found}


def _point(source: Source, *, run_fmr: float) -> OperatingPoint | None:
    try:
        return choose_verify_point(source.card.operating_points, source.model_id, run_fmr)
    except NoOperatingPointError:
        return None


def _calibration(faces: FaceSet | None, request: Request) -> dict[str, Any] | None:
    if faces is None or request.precision != "int8" or request.dynamic:
        return None
    return {"faces": len(faces), "people": faces.people, "data": faces.data}


def _finished(source: Source, card: Card, document: Mapping[str, Any]) -> Card:
    """The card with where it comes from, what the comparison found, and the source's operating points."""
    found, worst = document["parity"], parity.summary(document["parity"])
    basis = (
        f"mean cosine {worst['mean_cosine']:.5f} to it, {worst['flips']} of {found['comparisons']} decisions differ, "
        f"on {found['faces']} faces of {found['people']} people, {found['data']}"
    )
    sha256 = document["sha256"]
    changes = {
        "sources": (FileSource(kind="file", path=f"{card.name}.onnx", sha256=sha256, result_sha256=sha256),),
        "provenance": "; ".join([_how(source, document), basis, source.card.provenance or source.card.title]),
        "parity": Parity(
            source=source.model_id,
            faces=found["faces"],
            people=found["people"],
            mean_cosine=round(worst["mean_cosine"], 6),
            min_cosine=round(worst["min_cosine"], 6),
            flips=worst["flips"],
            comparisons=found["comparisons"],
            data=found["data"],
        ),
        "operating_points": tuple(
            _carried(point, document["model_id"], f"carried over from {source.model_id}, not measured anew: {basis}")
            for point in source.card.operating_points
            if point.model_id == source.model_id
        ),
    }
    return card.model_copy(update=changes)


def _how(source: Source, document: Mapping[str, Any]) -> str:
    text = f"exported from {source.model_id} by Knownface {__version__} in {document['precision']}"
    if document["precision"] == "int8":
        text += ", dynamic" if document["dynamic"] else ", static, per channel"
    if used := document["calibration"]:
        text += f"; calibrated on {used['faces']} faces of {used['people']} people, {used['data']}"
    return text


def _carried(point: OperatingPoint, model_id: str, words: str) -> OperatingPoint:
    """The source's threshold and rates, with words that say whose they are."""
    basis = f"{point.basis or point.measured_on}, carried over"
    return replace(point, model_id=model_id, basis=basis, measured_on=f"{words}; {point.measured_on}")
