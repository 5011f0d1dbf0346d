"""Two models side by side on the same photos: which faces they would decide differently, and how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from app.photos import open_source
from app.report import data_uri
from pipeline.build import build_with_second, operating_points
from pipeline.calibration.records import KIND, from_document
from pipeline.config import Settings
from pipeline.decide import choose_identify_point, decide_photo
from pipeline.errors import PhotoError
from pipeline.gallery import Gallery, Model
from pipeline.protocols import Embedder
from pipeline.recognizer import Faces
from pipeline.types import Decision, OperatingPoint, Templates


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two models.

    Attributes:
        gallery: By the model.
        settings: With its embedder.
        point: Its operating point.
        lacking: Samples that have no template of it, so nobody is recognised by them here.
    """

    gallery: Gallery
    settings: Settings
    point: OperatingPoint
    lacking: int


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One face and what each model says."""

    photo: str
    face: int
    faces: Faces
    old: Decision
    new: Decision

    @property
    def differs(self) -> bool:
        """Whether another kind of decision, or another person, comes out."""
        return (self.old.kind, self.old.subject) != (self.new.kind, self.new.subject)

    @property
    def change(self) -> str:
        """In a few words."""
        return f"{said(self.old)} → {said(self.new)}"

    def as_document(self) -> dict[str, Any]:
        """As it goes into JSON."""
        box = [round(float(value), 1) for value in self.faces.detections.boxes[self.face - 1]]
        sides = {"old": self.old, "new": self.new}
        return {"photo": self.photo, "face": self.face, "box": box, "change": self.change} | {
            name: {
                "decision": decision.kind,
                "subject": decision.subject,
                "score": decision.score,
                "threshold": decision.threshold,
                "best": None if decision.best is None else {"subject": decision.best[0], "score": decision.best[1]},
                "model_id": decision.model_id,
                "reason": decision.reason,
            }
            for name, decision in sides.items()
        }


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What came out.

    Attributes:
        old, new: The models.
        faces: Faces compared.
        differing: Those that would be decided differently.
        errors: Photos that could not be used.
    """

    old: Side
    new: Side
    faces: int
    differing: tuple[Pair, ...]
    errors: tuple[tuple[str, PhotoError], ...]

    def as_document(self) -> dict[str, Any]:
        """As it goes into JSON."""
        kinds = Counter(f"{pair.old.kind} to {pair.new.kind}" for pair in self.differing)
        return {
            "old": _side(self.old),
            "new": _side(self.new),
            "faces": self.faces,
            "different": len(self.differing),
            "changes": dict(kinds.most_common()),
            "differing": [pair.as_document() for pair in self.differing],
            "errors": [{"photo": photo, **error.as_dict()} for photo, error in self.errors],
        }


def said(decision: Decision) -> str:
    """The name, or the kind of decision where there is none."""
    return decision.subject or f"({decision.kind})"


def side_of(gallery: Gallery, model: Model, settings: Settings) -> Side:
    """A model of a gallery, with the operating point it has or would have.

    Raises:
        NoOperatingPointError: Nothing says which score is a match with it.
    """
    own = from_document(gallery.document_of(KIND, model.model_id))
    points = (*own, *operating_points(settings))
    point = choose_identify_point(points, model.model_id, settings.identify_fpir, max(1, len(gallery)))
    return Side(gallery.of_model(model), settings, point, gallery.switching().count(model.model_id)[1])


def compare_models(
    old: Side, new: Side, photos: Sequence[Path], watch: Callable[[Sequence[Path]], Iterable[Path]]
) -> Comparison:
    """Decides every face of the photos with both; each face is found and cut out once.

    Args:
        old: One model.
        new: The other one.
        photos: What to look at.
        watch: Passes the photos through, to show progress.
    """
    recognizer, second = build_with_second(new.settings, old.settings)
    errors: list[tuple[str, PhotoError]] = []
    differing: list[Pair] = []
    count, limits = 0, {"max_bytes": new.settings.max_bytes, "max_pixels": new.settings.max_pixels}
    with ExitStack() as open_sides:
        for side in (old, new):
            open_sides.callback(side.gallery.close)
        workers = new.settings.worker_count
        for photo, faces in recognizer.stream(watch(photos), lambda path: open_source(path, **limits), workers=workers):
            if isinstance(faces, PhotoError):
                errors.append((str(photo), faces))
                continue
            pairs = list(_pairs(str(photo), faces, old, new, second))
            count += len(pairs)
            differing += [pair for pair in pairs if pair.differs]
    return Comparison(old, new, count, tuple(differing), tuple(errors))


def _pairs(photo: str, faces: Faces, old: Side, new: Side, second: Embedder) -> Iterator[Pair]:
    if not len(faces):
        return
    one = _decided(old, second.embed(faces.aligned))
    other = _decided(new, faces.templates)
    for number, (before, after) in enumerate(zip(one, other, strict=True), 1):
        yield Pair(photo, number, faces, before, after)


def _decided(side: Side, templates: Templates) -> tuple[Decision, ...]:
    found = side.gallery.search(templates, k=len(templates) + 1, threshold=side.point.threshold)
    repeats = side.settings.allow_repeats
    norms = templates.norms.tolist()
    return decide_photo(found, side.point, len(side.gallery), norms=norms, allow_repeats=repeats)


def _side(side: Side) -> dict[str, Any]:
    return {
        "model_id": side.gallery.model_id,
        "threshold": side.point.threshold,
        "operating_point": side.point.origin,
        "samples_without_template": side.lacking,
    }


def page_of(comparison: Comparison) -> str:
    """The comparison as one HTML page that needs nothing else: no script, no network."""
    document = comparison.as_document()
    facts = "".join(
        f"<dt>{name}</dt><dd><code>{escape(side['model_id'])}</code>, threshold {side['threshold']:.4f} "
        f"({escape(side['operating_point'])})"
        + (f"; {lacking} samples have no template of it" if (lacking := side["samples_without_template"]) else "")
        + "</dd>"
        for name, side in (("old", document["old"]), ("new", document["new"]))
    )
    kinds = "".join(f"<li>{count} × {escape(kind)}</li>" for kind, count in document["changes"].items())
    rows = "".join(map(_row, comparison.differing)) or "<p>No face would be decided differently.</p>"
    lead = f"{len(comparison.differing)} of {comparison.faces} faces would be decided differently."
    return _PAGE.format(lead=lead, facts=facts, kinds=kinds, rows=rows, style=_STYLE)


def _row(pair: Pair) -> str:
    crop = data_uri(pair.faces.aligned.crops[pair.face - 1])
    sides = "".join(
        f"<div><small>{name}</small><b>{escape(said(decision))}</b><p>{escape(decision.reason)}</p></div>"
        for name, decision in (("old", pair.old), ("new", pair.new))
    )
    name = escape(Path(pair.photo).name)
    return (
        f'<article><figure><img src="{crop}" alt="face {pair.face} of {escape(name, quote=True)}">'
        f"<figcaption>{name}, face {pair.face}</figcaption></figure>{sides}</article>"
    )


_STYLE = """
:root{color-scheme:light dark;--line:#8885}
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}small,figcaption{color:GrayText;font-size:.8rem;display:block;overflow-wrap:anywhere}
article{display:grid;grid-template-columns:8rem 1fr 1fr;gap:1.2rem;padding:1rem 0;border-top:1px solid var(--line)}
figure{margin:0}img{width:112px;height:112px;border-radius:6px}article p{margin:.2rem 0 0;font-size:.85rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;font-size:.9rem}dd{margin:0;overflow-wrap:anywhere}
@media(max-width:40rem){article{grid-template-columns:1fr}}
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Two models compared</title><style>{style}</style></head><body>
<h1>Two models compared</h1><p>{lead}</p><dl>{facts}</dl><ul>{kinds}</ul>
{rows}
</body></html>
"""
