"""What the commands of `knownface evaluate` share: services, cache, progress, and how figures are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.context import Context

if TYPE_CHECKING:
    from app.evaluation.cache import EmbeddingCache
    from app.evaluation.identification import Plan, Search
    from app.evaluation.records import Pair
    from app.services import Services
    from pipeline.images import Photo


class EvaluationRun:
    """One evaluation.

    Args:
        context: Of the command.
        aligned: The photos are aligned crops.
        cached: Keep templates, and use those that were kept.
    """

    def __init__(self, context: Context, *, aligned: bool, cached: bool) -> None:
        self._context, self._aligned, self._cached = context, aligned, cached

    @cached_property
    def services(self) -> Services:
        """Recognizer and settings."""
        return self._context.services()

    def pairs(
        self, protocol: str, listed: Sequence[Pair], opener: Callable[[str], Photo], *, scores: Path | None
    ) -> None:
        """1:1: scores the pairs and shows the figures."""
        from app.evaluation.pairs import score_pairs, write_scores

        report = score_pairs(
            self.services, listed, opener, watch=self._watch, aligned=self._aligned, cache=self._cache()
        )
        if scores:
            write_scores(scores, report)
        self._show({**report.as_dict(), "protocol": protocol}, verification_lines)

    def identification(self, protocol: str, plan: Plan, *, search: Search, max_rank: int, scores: Path | None) -> None:
        """1:N: searches the probes and shows the figures."""
        from app.evaluation.identification import evaluate_identification, write_searches

        report = evaluate_identification(
            self.services, plan, self._watch, search=search, aligned=self._aligned, cache=self._cache()
        )
        if scores:
            write_searches(scores, report)
        self._show({**report.as_dict(max_rank), "protocol": protocol, "search": search}, identification_lines)

    def _cache(self) -> EmbeddingCache | None:
        from app.evaluation.cache import EmbeddingCache, cache_file, recipe_of

        if not self._cached:
            return None
        recipe = recipe_of(self.services, aligned=self._aligned)
        return EmbeddingCache(cache_file(self._context.settings.home), recipe, self.services.recognizer.dimension)

    def _watch(self, names: Sequence[str]) -> Iterable[str]:
        return self._context.progress(names, len(names), "embedding")

    def _show(self, document: dict[str, Any], lines: Callable[[dict[str, Any]], Iterable[str]]) -> None:
        if self._context.machine:
            self._context.emit(document)
        else:
            for line in lines(document):
                self._context.say(line)


def verification_lines(document: dict[str, Any]) -> Iterable[str]:
    """The figures of a 1:1 evaluation, for people."""
    counts = f"{document['mated']} mated, {document['non_mated']} non-mated"
    yield f"{document['pairs']} pairs ({counts}), {document['subjects']} subjects, {document['model_id']}"
    yield f"failures to acquire: {document['fta']}"
    accuracy = document["accuracy"]
    yield f"{accuracy['folds']}-fold accuracy: {accuracy['mean']:.4f} ± {accuracy['std']:.4f}"
    yield f"equal error rate: {document['eer']:.4f}{_span(document['eer_interval'])}"
    for row in document["tar_at_fmr"]:
        rate = f"{row['tar']:.4f}{_span(row['subject_interval'] or row['interval'])}"
        yield f"TAR at FMR {row['fmr']:g}: {rate}, threshold {row['threshold']:.4f}"
    for column, rows in document["groups"].items():
        for row in rows:
            rates = ", ".join(
                f"{name.upper()} {row[name]:.4f}{_span(row[f'{name}_interval'])} of {row[count]}"
                for name, count in (("fnmr", "mated"), ("fmr", "non_mated"))
                if row[name] is not None
            )
            yield f"{column} {row['value'] or '(none)'}: {rates}"


def identification_lines(document: dict[str, Any]) -> Iterable[str]:
    """The figures of a 1:N evaluation, for people."""
    yield f"{document['subjects']} subjects enrolled with {document['samples']} photos, {document['model_id']}"
    yield f"failures to enrol: {document['fte']} subjects, {document['fte_photos']} photos"
    yield f"{document['probes']} probes ({document['mated']} mated, {document['non_mated']} non-mated)"
    yield f"failures to acquire: {document['fta']}"
    if document["rank_1"] is not None:
        yield f"rank-1: {document['rank_1']:.4f}{_span(document['rank_1_subject_interval'])}"
    for row in document["fnir_at_fpir"]:
        if row["fnir"] is not None:
            rate = f"{row['fnir']:.4f}{_span(row['subject_interval'] or row['interval'])}"
            yield f"FNIR at FPIR {row['fpir']:g}: {rate}, threshold {row['threshold']:.4f}"


def _span(interval: list[float] | None) -> str:
    return f" (95 % {interval[0]:.4f} to {interval[1]:.4f})" if interval else ""
