"""`knownface gallery tune`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from app.cli.context import Context


def tune(
    ctx: typer.Context,
    target_recall: Annotated[
        float, typer.Option("--target-recall", min=0.5, max=1.0, help="Share of enrolled people to find as exactly.")
    ] = 0.999,
    probes: Annotated[int, typer.Option("--probes", min=60, help="Probes of each kind, enrolled and not.")] = 1000,
) -> None:
    """Measure the exact and the compressed index on this gallery, and use the one that serves it best."""
    context: Context = ctx.obj
    from pipeline.decide import choose_identify_point

    context.note_new_gallery()
    services = context.services()
    try:
        gallery = services.gallery
        points = (*services.calibration(), *services.points)
        point = choose_identify_point(points, gallery.model_id, services.settings.identify_fpir, len(gallery))
        chosen = services.tune(point.threshold, target_recall, probes, context.note)
    finally:
        services.close()
    if context.machine:
        context.emit(chosen)
    else:
        _show(context, chosen)


_COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "index": lambda row: "exact" if row["bits"] is None else f"{row['bits']} bits, {row['first']} rows",
    "recall enrolled": lambda row: f"{row['recall_enrolled']:.4f}",
    "not enrolled": lambda row: f"{row['recall_unenrolled']:.4f}",
    "changed": lambda row: str(row["changed_enrolled"] + row["changed_unenrolled"]),
    "p50 ms": lambda row: f"{row['p50_ms']:.2f}",
    "p95 ms": lambda row: f"{row['p95_ms']:.2f}",
    "exact p50": lambda row: f"{row['exact_p50_ms']:.2f}",
    "MB": lambda row: f"{row['megabytes']:.0f}",
    "built in s": lambda row: f"{row['build_s']:.1f}",
    "refused": lambda row: row["refused"],
}


def _show(context: Context, chosen: dict[str, Any]) -> None:
    from rich.table import Table

    evidence = chosen["evidence"]
    if evidence["candidates"]:
        table = Table(box=None, pad_edge=False)
        for name in _COLUMNS:
            table.add_column(name, justify="left" if name in {"index", "refused"} else "right")
        for row in evidence["candidates"]:
            table.add_row(*(text(row) for text in _COLUMNS.values()))
        context.console().print(table)
    which = "exact" if chosen["method"] == "exact" else f"compressed, codes of {chosen['bits']} bits"
    context.say(f"{evidence['vectors']} templates, threshold {evidence['threshold']:.3f}: the index is {which}")
