"""`knownface models compare`: who would be decided differently with another model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import Context
from app.cli.models_switch import opened
from pipeline.counting import counted
from pipeline.errors import GalleryError, PhotoNotFoundError

if TYPE_CHECKING:
    from app.compare_models import Side
    from pipeline.config import Settings
    from pipeline.gallery import Gallery


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(compare)


def compare(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="An embedder.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Another embedder.")],
    probes: Annotated[Path, typer.Option("--probes", help="Photos to decide with both.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write compare.html and compare.json there.")] = None,
) -> None:
    """Decide the faces of photos with two models of the gallery, and show those that come out differently."""
    context: Context = ctx.obj
    import json

    from app.compare_models import compare_models, page_of
    from app.photos import is_folder, photos_in

    if not is_folder(probes):
        raise PhotoNotFoundError(f"{probes}: there is no such folder; check --probes")
    photos = photos_in(probes)
    with opened(context.settings, None) as gallery:
        one, other = (_side(gallery, context.settings, name) for name in (old, new))
        found = compare_models(one, other, photos, lambda files: context.progress(files, len(files), "comparing"))
        document = found.as_document()
        page = page_of(found) if out is not None else ""
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "compare.html").write_text(page, encoding="utf-8")
        (out / "compare.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        context.note(f"written to {out}: the pictures are personal data")
    if context.machine:
        context.emit(document)
        return
    for side in (document["old"], document["new"]):
        if side["samples_without_template"]:
            lacking = counted(side["samples_without_template"], "sample")
            context.note(f"{lacking} without a template of {side['model_id']}")
    context.say(f"{document['different']} of {counted(document['faces'], 'face')} would be decided differently")
    for pair in found.differing:
        context.say(f"  {pair.photo}, face {pair.face}: {pair.change}")
    for photo, error in found.errors:
        context.note(f"{photo}: {error.message}")


def _side(gallery: Gallery, settings: Settings, name: str) -> Side:
    from app.compare_models import side_of
    from pipeline.build import embedder_identity
    from pipeline.gallery import Model

    state = gallery.switching().state()
    known = [] if state is None else [model for model in (state.model, state.previous) if model is not None]
    chosen = settings.model_copy(update={"embedder": name})
    model = next((model for model in known if model.embedder == name), None)
    if model is not None:
        from app.in_use import settings_for

        chosen = settings_for(settings, model)
    model = model or Model(*embedder_identity(chosen))
    if model.model_id not in gallery.switching().models():
        raise GalleryError(
            f"nobody in this gallery has a template of {model.model_id}: embed them beside the present model with "
            f"`knownface models use {name} --prepare`"
        )
    return side_of(gallery, model, chosen)
