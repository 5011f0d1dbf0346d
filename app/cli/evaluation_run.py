"""What the commands of `knownface evaluate` share: services, cache, progress, and where the figures go."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from app.cli.context import Context
from pipeline.counting import counted

if TYPE_CHECKING:
    from app.evaluation.cache import EmbeddingCache
    from app.evaluation.output import Run
    from app.evaluation.pairs import PairsReport
    from app.evaluation.pictures import Pictures
    from app.evaluation.plans import Plan
    from app.evaluation.records import Pair
    from app.evaluation.tables import Table
    from app.evaluation.templates import Media
    from app.services import Services
    from pipeline.images import Photo
    from pipeline.types import SubjectScore


@dataclass(frozen=True, slots=True)
class Output:
    """Where the figures go besides stdout.

    Attributes:
        scores: CSV file of every score, or None.
        out: Folder of the report, or None.
        pictures: The report may show photos.
    """

    scores: Path | None
    out: Path | None
    pictures: bool


class EvaluationRun:
    """One evaluation.

    Args:
        ctx: Of the command.
        output: Where the figures go.
        aligned: The photos are aligned crops.
        cached: Keep templates, and use those that were kept.
    """

    def __init__(self, ctx: typer.Context, output: Output, *, aligned: bool, cached: bool) -> None:
        from app.evaluation.output import Run

        self._context: Context = ctx.obj
        self._output, self._aligned, self._cached = output, aligned, cached
        self._run: Run = Run(command_of(ctx), self._context.settings)

    @cached_property
    def services(self) -> Services:
        """Recognizer and settings."""
        return self._context.services()

    def pairs(self, protocol: str, listed: Sequence[Pair], opener: Callable[[str], Photo]) -> None:
        """1:1: scores the pairs and shows the figures."""
        from app.evaluation.pairs import score_pairs

        report = score_pairs(
            self.services, listed, opener, watch=self._watch, aligned=self._aligned, cache=self._cache()
        )
        self._verified(report, {**report.as_dict(), "protocol": protocol}, self._pictures(opener))

    def templates(self, protocol: str, listed: Sequence[Pair], media: Media, opener: Callable[[str], Photo]) -> None:
        """1:1 on templates of several photos."""
        from app.evaluation.embed import embed
        from app.evaluation.pairs import compare_found
        from app.evaluation.templates import fuse
        from pipeline.errors import PhotoError

        names = media.names()
        found = embed(self.services, self._watch(names), opener, aligned=self._aligned, cache=self._cache())
        fused = fuse(media, found)
        report = compare_found(listed, fused, self.services.recognizer.model_id)
        figures = {
            **report.as_dict(),
            "protocol": protocol,
            "templates": len(fused),
            "fte": sum(isinstance(result, PhotoError) for result in fused.values()),
            "photos": len(names),
            "fta_photos": sum(isinstance(result, PhotoError) for result in found.values()),
        }
        self._verified(report, figures, self._pictures(opener, media.first_photo))

    def identification(self, protocol: str, plan: Plan, *, search: SubjectScore, max_rank: int) -> None:
        """1:N: searches the probes and shows the figures."""
        from app.evaluation.identification import evaluate_identification, write_searches
        from app.evaluation.output import write_identification_report
        from app.evaluation.plans import probes_enrolled

        report = evaluate_identification(
            self.services, plan, self._watch, search=search, aligned=self._aligned, cache=self._cache()
        )
        same = probes_enrolled(plan)
        figures = {**report.as_dict(max_rank), "protocol": protocol, "search": search, "probes_enrolled": same}
        figures["runtime"] = self.services.recognizer.runtimes
        if same:
            self._context.note(f"{same} of {len(plan.probes)} probes are the very photos enrolled: they prove nothing")
        if not figures["non_mated"]:
            self._context.note("everybody searched is enrolled, so nothing can be said of strangers: no FPIR is given")
        if self._output.scores:
            write_searches(self._output.scores, report)
        if self._output.out:
            pictures = self._pictures(lambda name: self.services.open(plan.files[name]))
            write_identification_report(self._output.out, figures, report, self._run, pictures)
        self._show(figures, "identification")

    def _verified(self, report: PairsReport, figures: dict[str, Any], pictures: Pictures | None) -> None:
        from app.evaluation.output import write_pairs_report
        from app.evaluation.pairs import write_scores

        figures = {**figures, "runtime": self.services.recognizer.runtimes}
        if self._output.scores:
            write_scores(self._output.scores, report)
        if self._output.out:
            write_pairs_report(self._output.out, figures, report, self._run, pictures)
        self._show(figures, "verification")

    def _pictures(self, opener: Callable[[str], Photo], photo_of: Callable[[str], str] = str) -> Pictures | None:
        from app.evaluation.pictures import Pictures

        if not self._output.pictures:
            return None
        return Pictures(self.services, opener, aligned=self._aligned, photo_of=photo_of)

    def _cache(self) -> EmbeddingCache | None:
        from app.evaluation.cache import EmbeddingCache, recipe_of
        from app.kept import cache_file
        from pipeline.errors import GalleryUnreachableError

        if not self._cached:
            return None
        recipe = recipe_of(self.services, aligned=self._aligned)
        file, dimension = cache_file(self._context.settings.home), self.services.recognizer.dimension
        try:
            return EmbeddingCache(file, recipe, dimension, self.services.file_keys)
        except GalleryUnreachableError:  # nobody knows whether what is kept would have to be encrypted
            self._context.note("the gallery cannot be reached, so no templates are kept for the next time")
            return None

    def _watch(self, names: Sequence[str]) -> Iterable[str]:
        return self._context.progress(names, len(names), "embedding")

    def _show(self, figures: dict[str, Any], kind: str) -> None:
        if self._context.machine:
            self._context.emit(figures)
        else:
            for line in lines_of({**figures, "kind": kind}):
                self._context.say(line)
        if self._output.out:
            self._context.note(f"the report is {self._output.out / 'report.html'}")


def command_of(ctx: typer.Context) -> str:
    """The command with those of its options that are not the defaults."""
    words = ctx.command_path.split()
    context: Context = ctx.obj
    if context.gallery and ctx.params.get("probes"):  # else it is the gallery in use, whose URL may hold a password
        words += ["--gallery", context.gallery]
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        if value is None or value is False or value == parameter.default:
            continue
        words += [] if parameter.param_type_name == "argument" else [parameter.opts[0]]
        words += [] if value is True else [str(value)]
    return shlex.join(words)


def comparison_lines(document: dict[str, Any]) -> Iterable[str]:
    """Which of two runs is better, for people."""
    from app.evaluation.tables import percent

    for side in "ab":
        run = document[side]
        yield f"{side.upper()}: {run['file']}, {run['protocol']}, {run['model_id']}"
    yield f"{counted(document['comparisons'], 'comparison')} of {counted(document['subjects'], 'subject')} in common"
    if document["left_out"]:
        yield f"left out, since only one run has them: {document['left_out']:,}"
    for row in document["measures"]:
        low, high = row["interval"] or (None, None)
        verdict = f"{row['better'].upper()} is better" if row["better"] else "no difference can be shown"
        change = f"B - A = {percent(row['difference'])} (95 % {percent(low)} to {percent(high)})"
        yield f"{row['measure']}: A {percent(row['a'])}, B {percent(row['b'])}; {change}: {verdict}"


def lines_of(document: dict[str, Any]) -> Iterable[str]:
    """The figures for people: the headline, and every table."""
    from app.evaluation.tables import headline, tables_of, title_of

    yield f"{title_of(document)}, {document['model_id']}"
    for name, value, more in headline(document):
        yield f"{name}: {value} ({more})"
    yield from table_lines(tables_of(document))


def table_lines(tables: Iterable[Table]) -> Iterable[str]:
    """Tables for a terminal; empty ones are left out."""
    for table in tables:
        if not table.rows:
            continue
        rows = [list(table.columns), *table.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
        yield ""
        yield table.title
        for first, *others in rows:
            cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
            yield "  " + "  ".join([first.ljust(widths[0]), *cells]).rstrip()
