"""`knownface evaluate ...`: error rates on labelled photos, failures counted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import typer.core

from app.cli.context import Context
from app.cli.evaluate_pad import pad
from app.cli.evaluation_run import EvaluationRun, Output
from pipeline.counting import counted


class _Evaluate(typer.core.TyperGroup):
    """Takes `evaluate A.json B.json` for `evaluate compare A.json B.json`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if len(args) == 2 and all(word.endswith(".json") for word in args):
            args = ["compare", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=_Evaluate, help="Measure error rates on labelled photos.", no_args_is_help=True)

Photos = Annotated[Path, typer.Option("--photos", help="Folder of the photos.", exists=True, file_okay=False)]
Aligned = Annotated[bool, typer.Option("--aligned", help="The photos are aligned crops: nothing is detected.")]
Groups = Annotated[
    Path | None,
    typer.Option("--groups", help="CSV: subject or photo, then a column per group.", exists=True, dir_okay=False),
]
Scores = Annotated[Path | None, typer.Option("--scores", help="Write every score to this CSV file.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write a report (HTML, Markdown, JSON) into this folder.")]
NoPictures = Annotated[bool, typer.Option("--no-pictures", help="No photo appears in the report.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep no templates, and use none that were kept.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn; the same seed draws the same.")]


app.command()(pad)


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
    cfp: Annotated[Literal["FP", "FF"], typer.Option("--cfp", help="Which of CFP's two protocols.")] = "FP",
    groups: Groups = None,
    aligned: Aligned = False,
    scores: Scores = None,
    out: Out = None,
    no_pictures: NoPictures = False,
    no_cache: NoCache = False,
) -> None:
    """1:1 on a list of pairs, through the whole pipeline; failures to acquire count as errors."""
    from app.evaluation.groups import with_groups
    from app.evaluation.lists import read_pairs

    run = EvaluationRun(ctx, Output(scores, out, not no_pictures), aligned=aligned, cached=not no_cache)
    listed = read_pairs(pairs_file, cfp=cfp)
    listed = with_groups(listed, groups) if groups else listed
    run.pairs(pairs_file.name, listed, lambda name: run.services.open(photos / name))


@app.command()
def folder(
    ctx: typer.Context,
    photos: Annotated[
        Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="A folder with a sub-folder per person.")
    ],
    per_kind: Annotated[int, typer.Option("--pairs", min=1, help="Mated, and non-mated, pairs at most.")] = 3000,
    folds: Annotated[int, typer.Option("--folds", min=2, max=100, help="Folds at most; no person is in two.")] = 10,
    seed: Seed = 0,
    groups: Groups = None,
    aligned: Aligned = False,
    scores: Scores = None,
    out: Out = None,
    no_pictures: NoPictures = False,
    no_cache: NoCache = False,
) -> None:
    """1:1 on any folder with a sub-folder per person: mated and non-mated pairs are drawn."""
    from app.evaluation.folders import draw_pairs, people_in
    from app.evaluation.groups import with_groups

    run = EvaluationRun(ctx, Output(scores, out, not no_pictures), aligned=aligned, cached=not no_cache)
    drawn = draw_pairs(photos, people_in(photos), folds=folds, per_kind=per_kind, seed=seed)
    drawn = with_groups(drawn, groups) if groups else drawn
    run.pairs(f"pairs drawn from {photos.resolve().name}", drawn, lambda name: run.services.open(photos / name))


@app.command("bin")
def bin_set(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="An InsightFace .bin set of pairs.")
    ],
    detect: Annotated[bool, typer.Option("--detect", help="Detect and align the photos: they are no crops.")] = False,
    scores: Scores = None,
    out: Out = None,
    no_pictures: NoPictures = False,
    no_cache: NoCache = False,
) -> None:
    """1:1 on a .bin set (lfw.bin, cfp_fp.bin, agedb_30.bin): read without unpickling; nothing in it is run."""
    from app.evaluation.bins import read_bin
    from app.photos import Upload

    run = EvaluationRun(ctx, Output(scores, out, not no_pictures), aligned=not detect, cached=not no_cache)
    data = read_bin(file)
    run.pairs(file.name, data.pairs(), lambda name: run.services.open(Upload(name, data.photos[int(name)])))


@app.command()
def identify(
    ctx: typer.Context,
    probes: Annotated[
        Path | None,
        typer.Option("--probes", exists=True, file_okay=False, help="Folder, a sub-folder per person, to search."),
    ] = None,
    one_folder: Annotated[
        Path | None,
        typer.Option("--folder", exists=True, file_okay=False, help="Instead: enrol who has photos to spare."),
    ] = None,
    photos: Annotated[int, typer.Option("--enrol", min=1, help="With --folder: photos to enrol each person with.")] = 1,
    search: Annotated[
        Literal["best", "fused"] | None,
        typer.Option("--search", help="A subject's score: its best sample's, or the fused template's."),
    ] = None,
    max_rank: Annotated[int, typer.Option("--rank", min=1, help="Found means: among this many candidates.")] = 1,
    seed: Seed = 0,
    aligned: Aligned = False,
    scores: Scores = None,
    out: Out = None,
    no_pictures: NoPictures = False,
    no_cache: NoCache = False,
) -> None:
    """1:N, open-set: FNIR at FPIR, and CMC; with `--gallery DIR --probes DIR`, or `--folder DIR`.

    Here `--gallery` is a folder of photos, with a sub-folder per person. Probes whose person has none in it must stay
    unknown.
    """
    from app.evaluation.plans import plan_of_folders, plan_of_one_folder

    context: Context = ctx.obj
    if probes and "://" in (context.gallery or ""):  # not shown: it may hold a password
        raise typer.BadParameter("--gallery is a database URL; give the folder of photos to enrol: --gallery DIR")
    gallery = Path(context.gallery) if context.gallery and probes else None
    if one_folder and not probes:
        plan, protocol = plan_of_one_folder(one_folder, photos=photos, seed=seed), one_folder.resolve().name
    elif gallery and probes and not one_folder:
        plan, protocol = plan_of_folders(gallery, probes), f"{probes.resolve().name} in {gallery.resolve().name}"
    else:
        raise typer.BadParameter("give --gallery DIR and --probes DIR, or --folder DIR alone")
    run = EvaluationRun(ctx, Output(scores, out, not no_pictures), aligned=aligned, cached=not no_cache)
    run.identification(protocol, plan, search=search or context.settings.subject_score, max_rank=max_rank)


@app.command()
def templates(
    ctx: typer.Context,
    photos: Photos,
    media_file: Annotated[
        Path,
        typer.Option("--media", exists=True, dir_okay=False, help="CSV photo,template,medium,subject; or IJB's list."),
    ],
    pairs_file: Annotated[
        Path, typer.Option("--pairs", exists=True, dir_okay=False, help="CSV a,b,mated of templates; or IJB's list.")
    ],
    aligned: Aligned = False,
    scores: Scores = None,
    out: Out = None,
    no_pictures: NoPictures = False,
    no_cache: NoCache = False,
) -> None:
    """1:1 on templates of several photos each, fused (IJB-B and IJB-C)."""
    from app.evaluation.templates import read_media, read_template_pairs

    run = EvaluationRun(ctx, Output(scores, out, not no_pictures), aligned=aligned, cached=not no_cache)
    media = read_media(media_file)
    listed = read_template_pairs(pairs_file, media)
    run.templates(pairs_file.name, listed, media, lambda name: run.services.open(photos / name))


@app.command()
def compare(
    ctx: typer.Context,
    a: Annotated[Path, typer.Argument(metavar="A.json", exists=True, dir_okay=False, help="The report.json of a run.")],
    b: Annotated[Path, typer.Argument(metavar="B.json", exists=True, dir_okay=False, help="That of another.")],
) -> None:
    """Say which of two runs is better, and whether the difference exceeds its interval."""
    from app.cli.evaluation_run import comparison_lines
    from app.evaluation.compare import compare_runs, read_run

    context: Context = ctx.obj
    document = compare_runs(read_run(a), read_run(b))
    if context.machine:
        context.emit(document)
    else:
        for line in comparison_lines(document):
            context.say(line)


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
        context.say(f"{state['file']}: {counted(state['templates'], 'template')}, {counted(state['bytes'], 'byte')}")
