"""`knownface evaluate ...`: error rates on labelled photos, failures counted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.context import Context
from app.cli.evaluation_run import EvaluationRun

app = typer.Typer(help="Measure error rates on labelled photos.", no_args_is_help=True)

Folder = {"exists": True, "file_okay": False}
Photos = Annotated[Path, typer.Option("--photos", **Folder, help="Folder of the photos.")]
Aligned = Annotated[bool, typer.Option("--aligned", help="The photos are aligned crops: nothing is detected.")]
Scores = Annotated[Path | None, typer.Option("--scores", help="Write every score to this CSV file.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep no templates, and use none that were kept.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn; the same seed draws the same.")]


@app.callback()
def _group() -> None:
    """Measure error rates on labelled photos."""


@app.command()
def pairs(
    ctx: typer.Context,
    photos: Photos,
    pairs_file: Annotated[
        Path,
        typer.Option("--pairs", exists=True, help="LFW's pairs.txt, a CSV (a, b, mated), or CFP's folder Protocol."),
    ],
    aligned: Aligned = False,
    scores: Scores = None,
    no_cache: NoCache = False,
    cfp: Annotated[Literal["FP", "FF"], typer.Option("--cfp", help="Which of CFP's two protocols.")] = "FP",
) -> None:
    """1:1 on a list of pairs, through the whole pipeline; failures to acquire count as errors."""
    from app.evaluation.lists import read_pairs

    run = EvaluationRun(ctx.obj, aligned=aligned, cached=not no_cache)
    listed = read_pairs(pairs_file, cfp=cfp)
    run.pairs(f"pairs of {pairs_file.name}", listed, lambda name: run.services.open(photos / name), scores=scores)


@app.command()
def folder(
    ctx: typer.Context,
    photos: Annotated[Path, typer.Argument(metavar="DIR", **Folder, help="A folder with a sub-folder per person.")],
    per_kind: Annotated[int, typer.Option("--pairs", min=1, help="Mated, and non-mated, pairs at most.")] = 3000,
    folds: Annotated[int, typer.Option("--folds", min=2, max=100, help="Folds at most; no person is in two.")] = 10,
    seed: Seed = 0,
    aligned: Aligned = False,
    scores: Scores = None,
    no_cache: NoCache = False,
) -> None:
    """1:1 on any folder with a sub-folder per person: mated and non-mated pairs are drawn."""
    from app.evaluation.folders import draw_pairs, people_in

    run = EvaluationRun(ctx.obj, aligned=aligned, cached=not no_cache)
    drawn = draw_pairs(photos, people_in(photos), folds=folds, per_kind=per_kind, seed=seed)
    run.pairs(f"pairs drawn, seed {seed}", drawn, lambda name: run.services.open(photos / name), scores=scores)


@app.command()
def identify(
    ctx: typer.Context,
    probes: Annotated[
        Path | None, typer.Option("--probes", **Folder, help="Folder with a sub-folder per person to search in it.")
    ] = None,
    one_folder: Annotated[
        Path | None,
        typer.Option("--folder", **Folder, help="Instead: who has photos to spare is enrolled; the rest is searched."),
    ] = None,
    photos: Annotated[int, typer.Option("--enrol", min=1, help="With --folder: photos to enrol each person with.")] = 1,
    search: Annotated[
        Literal["best", "mean"], typer.Option("--search", help="A subject's score: its best sample's, or the mean's.")
    ] = "best",
    max_rank: Annotated[int, typer.Option("--rank", min=1, help="Found means: among this many candidates.")] = 1,
    seed: Seed = 0,
    aligned: Aligned = False,
    scores: Scores = None,
    no_cache: NoCache = False,
) -> None:
    """1:N, open-set: FNIR at FPIR, and CMC; with `--gallery DIR --probes DIR`, or `--folder DIR`.

    Here `--gallery` is a folder of photos, with a sub-folder per person. Probes whose person has none in it must stay
    unknown.
    """
    from app.evaluation.identification import plan_of_folders, plan_of_one_folder

    context: Context = ctx.obj
    gallery = Path(context.gallery) if context.gallery and probes else None
    if one_folder and not probes:
        plan, protocol = plan_of_one_folder(one_folder, photos=photos, seed=seed), f"one folder, seed {seed}"
    elif gallery and probes and not one_folder:
        plan, protocol = plan_of_folders(gallery, probes), "two folders"
    else:
        raise typer.BadParameter("give --gallery DIR and --probes DIR, or --folder DIR alone")
    run = EvaluationRun(context, aligned=aligned, cached=not no_cache)
    run.identification(protocol, plan, search=search, max_rank=max_rank, scores=scores)


@app.command()
def cache(
    ctx: typer.Context,
    clear: Annotated[bool, typer.Option("--clear", help="Remove them all.")] = False,
) -> None:
    """Show, or remove, the templates that evaluations have kept. They are personal data."""
    from app.evaluation.cache import cache_state, clear_cache

    context: Context = ctx.obj
    if clear:
        clear_cache(context.settings.home)
    state = cache_state(context.settings.home)
    if context.machine:
        context.emit(state)
    else:
        context.say(f"{state['file']}: {state['templates']} templates, {state['bytes']} bytes")
