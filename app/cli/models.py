"""`knownface models ...`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import models_compare, models_fuse, models_switch
from app.cli.context import Context, printable
from app.cli.model_output import fetch_progress, megabytes, note_ignored, print_table
from app.cli.models_switch import TASKS
from app.model_rows import model_row

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.weights import InstalledModel, ModelStore

app = typer.Typer(
    help="The models: list, show, pull, verify, add, use, rollback, status, compare, fuse.", no_args_is_help=True
)

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Models or packs.", show_default=False)]


def _store(context: Context) -> ModelStore:
    from pipeline.weights import ModelStore

    return ModelStore(context.settings.models_dir)


def _stack(settings: Settings) -> dict[str, str]:
    return {task: getattr(settings, task) for task in TASKS}


@app.command("list")
def list_models(ctx: typer.Context) -> None:
    """List every known model: whether it is installed, its licence, and which are in use."""
    context: Context = ctx.obj
    stack = _stack(context.settings)
    rows = _store(context).list()
    documents = [model_row(row, stack, context.settings) for row in rows]
    if context.json_lines:
        for document in documents:
            context.emit_line(document)
    elif context.json:
        context.emit({"models": documents, "stack": stack})
    else:
        print_table(context, documents)


@app.command()
def show(ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="The model's name.")]) -> None:
    """Show a model's card: licence, sources, preprocessing, operating points."""
    context: Context = ctx.obj
    from pipeline.weights.toml_out import to_toml

    store = _store(context)
    card = store.card(name)
    row = next((row for row in store.list() if row.card.name == card.name), None)
    installed = model_row(row, _stack(context.settings), context.settings) if row else None
    document = card.model_dump(mode="json", exclude={"preprocessing"} if card.members else None)
    if context.machine:
        context.emit({"card": document, "state": installed})
        return
    console = context.console()
    text = to_toml({key: value for key, value in document.items() if value not in (None, "", [])})
    console.print(printable(text).rstrip())
    if installed and installed["installed"]:
        console.print(
            f"\ninstalled as {installed['model_id']}, {megabytes(installed['size'])}, from {installed['origin']}"
        )
    else:
        console.print(f"\nnot installed{': ' + installed['problem'] if installed and installed['problem'] else ''}")


@app.command()
def pull(
    ctx: typer.Context,
    names: Names = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept weights that may not be used commercially.")
    ] = False,
) -> None:
    """Fetch models (by default those in use) or packs, check them, and measure which runtime serves each best."""
    context: Context = ctx.obj
    from pipeline.weights.packs import PACKS, pull_pack
    from pipeline.weights.sources import kept_archives

    store = _store(context)
    named = names or [name for name in _stack(context.settings).values() if name != "none"]
    wanted = list(dict.fromkeys(part for name in named for part in store.networks(name)))
    pulled: list[dict[str, Any]] = []
    with kept_archives(store.models_dir) as archives:
        for name in wanted:
            with fetch_progress(context) as progress:
                if name not in store.cards and (store.in_pack(name) or name in PACKS):
                    added = pull_pack(store, name, accept_licence=accept_licence, progress=progress)
                    models = list(added.models)
                    note_ignored(context, added.ignored)
                else:
                    models = [store.pull(name, accept_licence=accept_licence, progress=progress, archives=archives)]
            pulled += [_finish(context, store, model) for model in models]
    if context.json and not context.json_lines:
        context.emit({"pulled": pulled})


@app.command()
def verify(ctx: typer.Context, names: Names = None) -> None:
    """Hash installed models (by default all) again; exit code 1 if one is missing or damaged."""
    context: Context = ctx.obj
    from pipeline.errors import ModelDamagedError, ModelMissingError

    store = _store(context)
    wanted = names or [row.card.name for row in store.list() if row.installed or row.problem]
    results: list[dict[str, Any]] = []
    for name in wanted:
        try:
            results.append({"name": name, "ok": True, "model_id": store.verify(name).model_id, "message": ""})
        except (ModelMissingError, ModelDamagedError) as error:
            results.append({"name": name, "ok": False, "model_id": None, "message": error.message})
        context.emit_line(results[-1])
    if context.json and not context.json_lines:
        context.emit({"verified": results})
    elif not context.machine:
        console = context.console()
        for result in results:
            console.print(f"ok       {result['model_id']}" if result["ok"] else f"damaged  {result['message']}")
        if not results:
            context.note("No model is installed: knownface models pull")
    if not all(result["ok"] for result in results):
        raise typer.Exit(1)


@app.command()
def add(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="An ONNX file, or the folder or zip of a pack.")],
    card: Annotated[Path | None, typer.Option("--card", help="The card (TOML) of a single ONNX file.")] = None,
    name: Annotated[str, typer.Option("--name", help="Second part of the names of models without a card.")] = "",
) -> None:
    """Install models from this machine, and write cards for those that have none."""
    context: Context = ctx.obj
    store = _store(context)
    result = store.add(path, card=card, tag=name)
    note_ignored(context, result.ignored)
    added = finish_added(context, store, result.models)
    for model in result.models:
        if not model.card.licence.commercial_use:
            context.note(f"{model.card.name}: licence of the weights: {model.card.licence.weights}")
    if context.json and not context.json_lines:
        ignored = [{"file": file, "reason": reason} for file, reason in result.ignored]
        context.emit({"added": added, "ignored": ignored})


def finish_added(context: Context, store: ModelStore, models: Sequence[InstalledModel]) -> list[dict[str, Any]]:
    """Measures the runtimes for all that was added; what cannot be run is removed again, and an error at the end."""
    from pipeline.errors import ModelDamagedError

    finished, problem = [], None
    for model in models:
        try:
            finished.append(_finish(context, store, model))
        except ModelDamagedError as error:
            store.uninstall(model.card.name)
            problem = problem or (model.card.name, error)
    if problem:
        name, cause = problem
        raise ModelDamagedError(f"{name}: cannot be used, so it was removed again ({cause.message})") from cause
    return finished


def _finish(context: Context, store: ModelStore, model: InstalledModel) -> dict[str, Any]:
    """Measures the runtimes unless that was done, and reports the model."""
    if model.runtime is None:
        from pipeline.runtime import choose_runtime

        context.note(f"measuring {model.card.name}")
        model = store.record_runtime(model.card.name, choose_runtime(model))
    document = {
        "name": model.card.name,
        "model_id": model.model_id,
        "file": str(model.file),
        "origin": model.origin,
        "runtime": model.runtime.model_dump() if model.runtime else None,
    }
    if context.machine:
        context.emit_line(document)
    else:
        ms = ", ".join(f"{name} {value:.1f} ms" for name, value in model.runtime.ms.items()) if model.runtime else ""
        chosen = f": {model.runtime.runtime} ({ms})" if model.runtime else ""
        context.console().print(f"{model.model_id}{chosen}")
    return document


models_switch.register(app)
models_compare.register(app)
models_fuse.register(app)
