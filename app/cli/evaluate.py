"""`knownface evaluate ...`: error rates on labelled photos, failures counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import Context

if TYPE_CHECKING:
    from app.evaluation import PairsReport

app = typer.Typer(help="Measure error rates on labelled photos.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure error rates on labelled photos."""


@app.command()
def pairs(
    ctx: typer.Context,
    photos: Annotated[Path, typer.Option("--photos", exists=True, file_okay=False, help="Folder NAME/NAME_0001.jpg.")],
    pairs_file: Annotated[Path, typer.Option("--pairs", exists=True, dir_okay=False, help="LFW's pairs.txt.")],
    scores: Annotated[Path | None, typer.Option("--scores", help="Write every score to this CSV file.")] = None,
) -> None:
    """1:1 on a list of pairs (LFW's form), through the whole pipeline; failures to acquire count as errors."""
    context: Context = ctx.obj
    from app.evaluation import evaluate_pairs, read_pairs, write_scores

    listed = read_pairs(pairs_file)
    services = context.services()

    def watched(names: Sequence[str]) -> Any:
        return context.progress(names, len(names), "embedding")

    report = evaluate_pairs(services, photos, listed, watch=watched)
    if scores:
        write_scores(scores, report)
    if context.machine:
        context.emit(report.as_dict())
    else:
        _show(context, report)


def _show(context: Context, report: PairsReport) -> None:
    say = context.say
    document = report.as_dict()
    counts = f"{document['mated']} mated, {document['non_mated']} non-mated"
    say(f"{document['pairs']} pairs ({counts}), {document['model_id']}")
    say(f"failures to acquire: {document['fta']}")
    accuracy = document["accuracy"]
    say(f"10-fold accuracy: {accuracy['mean']:.4f} ± {accuracy['std']:.4f}")
    say(f"equal error rate: {document['eer']:.4f}")
    for row in document["tar_at_fmr"]:
        low, high = row["interval"]
        rate = f"{row['tar']:.4f} (95 % {low:.4f} to {high:.4f})"
        say(f"TAR at FMR {row['fmr']:g}: {rate}, threshold {row['threshold']:.4f}")
