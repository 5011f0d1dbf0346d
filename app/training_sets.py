"""Sets to train on, with the recognizer's eyes: what `data clean` and `data stats` report."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from app.evaluation.charts import histogram_chart, linear_axis
from app.services import Services
from pipeline.build import operating_points
from pipeline.decide import choose_verify_point
from pipeline.errors import ConfigError, TrainingDataError
from pipeline.types import F32, AlignedFaces
from training.data.clean import Finding, cleaned, find_noise, find_overlap, find_repeats, to_remove
from training.data.dataset import I64, FaceDataset
from training.data.shard_writer import write_durably
from training.data.sheet import contact_sheet, write_sheet
from training.data.stats import Measured, histogram

Progress = Callable[[Iterable[Any], int], Iterator[Any]]
_PART = 32
_SHOWN = 60


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Templates of a set.

    Attributes:
        samples: (M,) numbers of the crops that could be read.
        vectors: (M, D) unit rows.
        labels: (M,) their identities.
        failed: A row for each other crop.
    """

    samples: I64
    vectors: F32
    labels: I64
    failed: list[dict[str, str]]


def embed_set(services: Services, dataset: FaceDataset, progress: Progress) -> Embedded:
    """Embeds every crop of a set, in parallel; one that cannot be read is a row."""
    parts = [range(start, min(start + _PART, len(dataset))) for start in range(0, len(dataset), _PART)]
    recognizer = services.recognizer

    def embedded(part: range) -> tuple[list[int], F32, list[dict[str, str]]]:
        crops, good, failed = [], [], []
        for index in part:
            try:
                crops.append(dataset.read(index))
                good.append(index)
            except TrainingDataError as error:
                failed.append({"sample": dataset.name(index), **error.as_dict()})
        if not crops:
            return good, np.zeros((0, recognizer.dimension), np.float32), failed
        faces = AlignedFaces(np.stack(crops), np.zeros((len(crops), 2, 3), np.float32))
        return good, recognizer.embed_aligned(faces).vectors, failed

    samples: list[int] = []
    vectors: list[F32] = []
    failed: list[dict[str, str]] = []
    with ThreadPoolExecutor(services.settings.worker_count, thread_name_prefix="embed") as pool:
        for good, rows, bad in progress(pool.map(embedded, parts), len(parts)):
            samples += good
            vectors.append(rows)
            failed += bad
    chosen = np.array(samples, np.int64)
    return Embedded(chosen, np.concatenate(vectors), np.asarray(dataset.labels)[chosen], failed)


@dataclass
class CleanReport:
    """What was found in a set.

    Attributes:
        dataset: The set.
        embedded: Its templates.
        found: Findings; their samples are rows of `embedded`.
        names: Of the evaluation set of each overlap, by its place in `found`.
        thresholds: What was used.
        model_id: Whose scores these are.
    """

    dataset: FaceDataset
    embedded: Embedded
    found: list[Finding]
    thresholds: dict[str, float]
    model_id: str
    names: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        services: Services,
        dataset: FaceDataset,
        against: Mapping[str, FaceDataset],
        *,
        duplicate: float,
        same: float | None,
        progress: Progress,
    ) -> CleanReport:
        """Embeds the sets and looks for everything.

        Args:
            services: Recognizer and settings.
            dataset: The set to clean.
            against: Evaluation sets by name.
            duplicate: Score from which two crops are one picture.
            same: Score from which two show one person; None for the operating point of the model's card.
            progress: Passes parts through and shows how far they are.

        Raises:
            NoOperatingPointError: The card has none, and no score was given.
        """
        model_id = services.recognizer.model_id
        if same is None:
            points = operating_points(services.settings)
            same = choose_verify_point(points, model_id, services.settings.verify_fmr).threshold
        mine, count = embed_set(services, dataset, progress), len(dataset.identities)
        found = find_repeats(mine.vectors, mine.labels, duplicate)
        found += find_noise(mine.vectors, mine.labels, count, same)
        thresholds = {"duplicate": duplicate, "same": same}
        report = cls(dataset, mine, found, thresholds, model_id)
        for name, other in against.items():
            report._compare(name, other, embed_set(services, other, progress))
        return report

    def _compare(self, name: str, other: FaceDataset, theirs: Embedded) -> None:
        """Adds the identities that are in an evaluation set too."""
        mine = self.embedded
        if not len(mine.samples) or not len(theirs.samples):
            return
        pairs = (mine.vectors, mine.labels), (theirs.vectors, theirs.labels)
        for one in find_overlap(*pairs, self.thresholds["same"]):
            self.names[len(self.found)] = f"{name}: {other.identities[one.other]}"
            self.found.append(one)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The findings in words."""
        for place, one in enumerate(self.found):
            yield {
                "kind": one.kind,
                "sample": self._sample(one.sample),
                "identity": self.dataset.identities[int(self.embedded.labels[one.sample])],
                "other": self.names.get(place) or self._other(one),
                "score": round(one.score, 4),
            }

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        kinds = ("duplicate", "conflict", "noise", "overlap")
        return {
            "samples": len(self.dataset),
            "identities": len(self.dataset.identities),
            "model_id": self.model_id,
            "thresholds": self.thresholds,
            "counts": {kind: sum(one.kind == kind for one in self.found) for kind in kinds},
            "found": list(self.rows()),
            "unreadable": self.embedded.failed,
        }

    def write(self, folder: Path) -> None:
        """Writes `found.csv`, and `found.png` with the first findings of each kind as pictures."""
        _make(folder)
        text = io.StringIO()
        writer = csv.DictWriter(text, ["kind", "sample", "identity", "other", "score"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows())
        write_durably(folder / "found.csv", text.getvalue())
        write_sheet(folder / "found.png", contact_sheet(self._pictures()))

    def remove(self, out: Path) -> int:
        """Writes a new set without what was found or could not be read; how many crops are left out."""
        mine = self.embedded
        rows = to_remove(self.found, mine.vectors, mine.labels, len(self.dataset.identities))
        gone = {int(mine.samples[row]) for row in rows} | (set(range(len(self.dataset))) - set(mine.samples.tolist()))
        for _ in cleaned(self.dataset, gone, out):
            pass
        return len(gone)

    def _sample(self, row: int) -> str:
        return self.dataset.name(int(self.embedded.samples[row]))

    def _other(self, one: Finding) -> str:
        if one.other < 0:
            return ""
        return self.dataset.identities[one.other] if one.kind == "noise" else self._sample(one.other)

    def _pictures(self) -> list[tuple[str, list[Any]]]:
        """The sample, beside the other picture or some of the identity it is said to be."""
        pictures, counts = [], dict.fromkeys(("duplicate", "conflict", "noise", "overlap"), 0)
        for one, row in zip(self.found, self.rows(), strict=True):
            counts[one.kind] += 1
            if counts[one.kind] > _SHOWN:
                continue
            mine = self.embedded
            beside = np.flatnonzero(mine.labels == mine.labels[one.sample])
            shown = (
                [one.other] if one.kind in ("duplicate", "conflict") else [int(r) for r in beside if r != one.sample]
            )
            crops = [self.dataset.read(int(mine.samples[r])) for r in [one.sample, *shown[:5]]]
            pictures.append((f"{one.kind} {one.score:.3f}  {row['sample']}  {row['other']}", crops))
        return pictures


# --- stats -----------------------------------------------------------------------------------------------------------


def write_stats(folder: Path, document: Mapping[str, Any], measured: Measured) -> None:
    """Writes `stats.html`, one page with plots and without script or network."""
    _make(folder)
    plots = [("crops of an identity, as a power of ten", document["histogram"]["samples_per_identity"])]
    plots += [(name, histogram(getattr(measured, name))) for name in ("brightness", "contrast", "sharpness")]
    figures = "".join(f"<figure>{_plot(name, data)}</figure>" for name, data in plots)
    head = f"{document['samples']} crops of {document['identities']} identities"
    page = _PAGE.format(title=escape(str(document["set"])), head=head, figures=figures)
    write_durably(folder / "stats.html", page)


def _plot(name: str, data: Mapping[str, list[float]]) -> str:
    x = linear_axis(name, data["edges"][0], data["edges"][-1])
    y = linear_axis("count", 0.0, max([*data["counts"], 1.0]))
    return histogram_chart(name, x, y, data["edges"], [data["counts"]], [])


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise ConfigError(f"{folder}: is a file; --out names a folder") from error


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>
:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}}
main{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1.2rem}}figure{{margin:0}}
svg{{width:100%;height:auto;font:12px system-ui,sans-serif}}svg text{{fill:CanvasText}}
svg .grid{{stroke:#8886;stroke-width:.6}}svg .frame{{fill:none;stroke:#8886}}
svg .s0{{stroke:#00897b;fill:#00897b;fill-opacity:.35}}
</style></head><body><h1>{title}</h1><p>{head}</p><main>{figures}</main></body></html>
"""
