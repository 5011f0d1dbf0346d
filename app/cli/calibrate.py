"""`knownface calibrate`: thresholds for the error rate you ask for, measured on your own photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import Context
from pipeline.counting import counted, people

if TYPE_CHECKING:
    from app.calibration import Source
    from app.services import Services
    from pipeline.calibration import Calibration
    from pipeline.types import OperatingPoint

Rates = list[float] | None


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command()(calibrate)


def calibrate(
    ctx: typer.Context,
    fmr: Annotated[Rates, typer.Option("--fmr", help="Verify: share of pairs of different people that match.")] = None,
    fpir: Annotated[Rates, typer.Option("--fpir", help="Identify: share of strangers that get a name.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Measure on DIR/PERSON/*.jpg instead of the gallery's own photos.")
    ] = None,
    card: Annotated[bool, typer.Option("--card", help="Take the model card's points for these rates.")] = False,
    size: Annotated[
        list[int] | None,
        typer.Option("--size", min=1, help="Identify: subjects in the gallery; default: as many as now."),
    ] = None,
    toml: Annotated[
        bool, typer.Option("--toml", help="Print the points for a model card instead of keeping them (with --folder).")
    ] = False,
    name: Annotated[str | None, typer.Option("--name", help="With --toml: what the data are called.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Show the operating points in use.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Go back to the model card's operating points.")] = False,
) -> None:
    """Choose thresholds by error rate, on people of your own; kept with the gallery and used from then on."""
    context: Context = ctx.obj
    if (toml and folder is None) or (card and folder is not None) or (show and clear):
        raise typer.BadParameter("--toml goes with --folder, --card without it, and --show without --clear")
    _check_rates(fmr or (), fpir or ())
    services = context.services()
    if clear or show:
        _show(context, services) if show else _clear(context, services)
        return
    fmrs = tuple(fmr or ()) if fmr or fpir else (services.settings.verify_fmr,)
    fpirs = tuple(fpir or ())
    if not (fmr or fpir) and (toml or size or len(services.gallery)):
        fpirs = (services.settings.identify_fpir,)
    if not toml:
        context.note_new_gallery()
    if card:
        _from_card(context, services, fmrs, fpirs, size)
        return
    source, result = _measure(
        context, services, folder, fmrs, fpirs, size, (name or folder.name) if toml and folder else None
    )
    if toml:
        _print_toml(context, result)
        return
    from app.calibration import keep

    keep(services, result.points)
    _report(context, source, result)


def _check_rates(fmrs: Sequence[float], fpirs: Sequence[float]) -> None:
    named = [*((f"--fmr {rate:g}", rate) for rate in fmrs), *((f"--fpir {rate:g}", rate) for rate in fpirs)]
    if bad := [name for name, rate in named if not 0 < rate < 1]:
        raise typer.BadParameter(f"{', '.join(bad)}: a rate lies above 0 and below 1")


def _measure(
    context: Context,
    services: Services,
    folder: Path | None,
    fmrs: Sequence[float],
    fpirs: Sequence[float],
    size: list[int] | None,
    card: str | None,
) -> tuple[Source, Calibration]:
    from app.calibration import count_people, from_folder, from_gallery, require, run, sizes_for

    people = 0 if card else len(services.gallery)
    enrolled = max(1, round(services.gallery.sample_count / people)) if people else 1
    sizes = list(size or ()) or ([people] if people else [])
    if fpirs and not sizes:
        raise typer.BadParameter("nobody is enrolled, so --fpir needs --size: how many there will be")
    if folder is None:
        source = from_gallery(services)
    else:
        require(fmrs, fpirs, sizes, count_people(folder))  # before the photos are looked at, which takes time
        source = from_folder(services, folder, lambda items: context.progress(items, len(items), "looking at photos"))
    if fpirs and not size:
        sizes = sizes_for(people, fpirs, source.people)
    context.note("comparing")
    fused = services.settings.subject_score == "fused"
    return source, run(source, fmrs=fmrs, fpirs=fpirs, sizes=sizes, enrolled=enrolled, fused=fused, card=card)


def _from_card(
    context: Context, services: Services, fmrs: Sequence[float], fpirs: Sequence[float], size: list[int] | None
) -> None:
    from app.calibration import from_card, keep

    points = from_card(services, fmrs, fpirs, max(size or [len(services.gallery)]))
    tasks = {point.task for point in points}
    for old in services.calibration():
        if old.source == "calibration" and old.task in tasks:
            context.note(f"replaced by the card's: {old.task}, threshold {old.threshold:.4f}, {old.origin}")
    keep(services, points)
    if context.machine:
        context.emit({"points": _documents(points)})
    else:
        _list(context, points)


def _print_toml(context: Context, result: Calibration) -> None:
    import sys

    from pipeline.calibration.records import to_document
    from pipeline.weights.toml_out import to_toml

    if context.machine:
        context.emit({"points": _documents(result.points)})
        return
    sys.stdout.write(to_toml({"operating_points": to_document(result.points)["points"]}))


def _show(context: Context, services: Services) -> None:
    points = services.calibration()
    used = [services.verify_point()]
    used += [services.identify_point()] if points or len(services.gallery) else []
    if context.machine:
        context.emit({"calibration": _documents(points), "in_use": _documents(used)})
        return
    context.say("in use:")
    _list(context, used)
    if points:
        context.say("this gallery's own:")
        _list(context, points)
    else:
        context.say("this gallery has no calibration of its own: knownface calibrate --fmr X | --fpir X")


def _clear(context: Context, services: Services) -> None:
    from app.calibration import clear

    cleared = clear(services)
    if context.machine:
        context.emit({"cleared": cleared})
    else:
        context.say("the model card's operating points are used again" if cleared else "there was no calibration")


def _documents(points: Sequence[OperatingPoint]) -> list[dict[str, Any]]:
    from pipeline.calibration.records import to_document

    documents: list[dict[str, Any]] = to_document(points)["points"]
    return [document | {"origin": point.origin} for document, point in zip(documents, points, strict=True)]


def _report(context: Context, source: Source, result: Calibration) -> None:
    if context.machine:
        document = {
            "points": _documents(result.points),
            "people": result.people,
            "photos": result.photos,
            "failed": result.failed,
            "failures": source.failures,
            "repeated": source.repeated,
            "cllr": result.cllr,
            "continuations": [asdict(compared) for compared in result.comparisons],
        }
        context.emit(document)
        return
    failures = "".join(f", {count} {code}" for code, count in sorted(source.failures.items()))
    repeated = f", {counted(source.repeated, 'copy', 'copies')} left out" if source.repeated else ""
    context.say(f"{counted(result.photos, 'photo')} of {people(result.people)}{failures}{repeated}")
    _list(context, result.points)
    for compared in result.comparisons:
        context.note(
            f"beyond what can be counted: tried from {compared.from_size} to {compared.size} subjects, on people not "
            f"used for it, asking for {compared.wanted:.3g}: extreme value {compared.extreme:.3g}, growth "
            f"{compared.growth:.3g}; kept: {compared.kept}"
        )
    context.say(f"cost of the likelihood ratios on people not used to fit them: {result.cllr:.3f} bits (Cllr)")


def _list(context: Context, points: Sequence[OperatingPoint]) -> None:
    for point in points:
        wrong, missed = ("FMR", "FNMR") if point.task == "verify" else ("FPIR", "FNIR")
        where = "" if point.gallery_size is None else f" in a gallery of {point.gallery_size:,}"
        asked = "" if point.target is None else f" for {wrong} {point.target:.3g}"
        context.say(
            f"{point.task}{where}{asked}: threshold {point.threshold:.4f}; measured {wrong} {point.fmr:.3g} (at most "
            f"{point.fmr_upper:.3g}), {missed} {point.fnmr:.3g}; {point.origin}"
        )
