"""`knownface export`: a model in another form, held against its source before anybody uses it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.cli.context import Context
from app.cli.evaluation_run import command_of

if TYPE_CHECKING:
    from app.exporting.faces import FaceSet, Item
    from app.exporting.run import Source


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command()(export)


def export(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL_OR_RUN", help="An installed embedder, or a training run.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the model, its card and the parity report.")],
    precision: Annotated[
        Literal["fp32", "fp16", "int8"], typer.Option("--precision", help="Of the new model.")
    ] = "fp32",
    name: Annotated[str, typer.Option("--name", help="Of the new model, ARCH.TAG.", show_default=False)] = "",
    dynamic: Annotated[bool, typer.Option("--dynamic", help="int8 without calibration faces.")] = False,
    fold_preprocessing: Annotated[
        bool, typer.Option("--fold-preprocessing", help="Pictures in (uint8 RGB), unit vectors out.")
    ] = False,
    parity_photos: Annotated[
        Path | None,
        typer.Option("--parity-photos", exists=True, file_okay=False, help="DIR/PERSON/*.jpg to compare on."),
    ] = None,
    parity_pairs: Annotated[
        Path | None, typer.Option("--parity-pairs", exists=True, help="Compare these pairs of --parity-photos only.")
    ] = None,
    calibration_photos: Annotated[
        Path | None,
        typer.Option("--calibration-photos", exists=True, file_okay=False, help="DIR/PERSON/*.jpg to calibrate on."),
    ] = None,
    aligned: Annotated[bool, typer.Option("--aligned", help="The photos are aligned crops.")] = False,
    min_mean_cosine: Annotated[
        float | None, typer.Option("--min-mean-cosine", min=0.0, max=1.0, help="Default 0.999; int8 0.99.")
    ] = None,
    max_flips: Annotated[
        int | None, typer.Option("--max-flips", min=0, help="Default: those the source's interval leaves open.")
    ] = None,
    checkpoint: Annotated[Literal["best", "last"], typer.Option("--checkpoint", help="Of a run.")] = "best",
    install: Annotated[bool, typer.Option("--install", help="Install it, as `models add` does.")] = False,
) -> None:
    """Export a model as ONNX, in fp32, fp16 or int8; one that does not decide like its source is refused."""
    context: Context = ctx.obj
    if (dynamic or calibration_photos) and precision != "int8":
        raise typer.BadParameter("--dynamic and --calibration-photos go with --precision int8")
    if parity_pairs and not parity_photos:
        raise typer.BadParameter("--parity-pairs names photos of --parity-photos")
    from app.evaluation.lists import read_pairs
    from app.evaluation.output import Run
    from app.exporting.faces import FaceReader, faces_for
    from app.exporting.parity import Tolerance
    from app.exporting.run import MEAN_COSINE, Request
    from app.exporting.run import export as make

    run = Run(command_of(ctx), context.settings)
    tolerance = Tolerance(MEAN_COSINE[precision] if min_mean_cosine is None else min_mean_cosine, max_flips)
    with _source(context, model, checkpoint) as source:
        suffix = precision + ("-dynamic" if dynamic else "") + ("-folded" if fold_preprocessing else "")
        request = Request(
            name=_checked(name or f"{source.card.name}-{suffix}"),
            precision=precision,
            tolerance=tolerance,
            dynamic=dynamic,
            folded=fold_preprocessing,
            pairs=read_pairs(parity_pairs) if parity_pairs else None,
        )

        def watch(items: Sequence[Item], what: str) -> Iterable[Item]:
            return context.progress(items, len(items), f"looking at photos for {what}")

        reader = FaceReader(context.settings, source.card, aligned=aligned, watch=watch)
        calibrate = precision == "int8" and not dynamic
        faces, calibration = faces_for(reader, parity_photos, calibration_photos, calibrate=calibrate)
        _note_few(context, faces, calibration)
        document = make(source, request, out, faces, calibration, run, context.note)
    _show(context, document, _install(context, document) if install else None)


@contextmanager
def _source(context: Context, model: str, checkpoint: str) -> Iterator[Source]:
    """A run, where the name is that of a folder; otherwise an installed model."""
    if not Path(model).is_dir():
        from app.exporting.run import installed_source
        from pipeline.weights import ModelStore

        yield installed_source(ModelStore(context.settings.models_dir).installed(model))
        return
    from app.exporting.run import Source
    from pipeline.extra import need

    need("train", "torch", "safetensors", "onnxscript")
    from training.export import exported_checkpoint

    with exported_checkpoint(Path(model), checkpoint) as made:
        yield Source(made.label, made.card, made.onnx, made.session, None)


def _checked(name: str) -> str:
    """The name, if a model may have it.

    Raises:
        ConfigError: It may not.
    """
    import re

    from pipeline.errors import ConfigError
    from pipeline.weights.card import NAME_PATTERN

    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigError(f"--name {name}: is no name for a model; lower-case letters and digits, as in arch.tag")
    return name


def _note_few(context: Context, faces: FaceSet, calibration: FaceSet | None) -> None:
    if len(faces) < 100:
        context.note(
            f"the parity report rests on {len(faces)} faces of {faces.people} people: too few for error rates; name "
            "more with --parity-photos DIR"
        )
    if calibration is not None and len(calibration) < 32:
        context.note(f"int8 is calibrated on {len(calibration)} faces only: name more with --calibration-photos DIR")


def _install(context: Context, document: dict[str, Any]) -> dict[str, Any]:
    from app.cli.models import finish_added
    from pipeline.weights import ModelStore

    store = ModelStore(context.settings.models_dir)
    (installed,) = finish_added(context, store, store.add(Path(document["onnx"])).models)
    return installed


def _show(context: Context, document: dict[str, Any], installed: dict[str, Any] | None) -> None:
    if context.machine:
        context.emit(document | {"installed": installed})
        return
    from app.cli.evaluation_run import table_lines
    from app.exporting.report import headline, tables_of, title_of

    context.say(title_of(document))
    for name, value, more in headline(document):
        context.say(f"{name}: {value} ({more})")
    for line in table_lines(tables_of(document)):
        context.say(line)
    context.say(f"\n{document['onnx']}: {document['model_id']}")
    if installed is None:
        context.note(f"install it with `knownface models add {document['onnx']}`")
    else:
        context.note(f"installed; `knownface models use {document['name']}` chooses it")
