"""The demo's report: one self-contained HTML file with thumbnails, names, scores and reasons. No script, no network."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np

from app.services import Identification
from pipeline.images import Photo
from pipeline.types import Decision, Detections, Image

_THUMBNAIL_PX = 360
_SIGNS = {
    "match": ("✓", "found"),
    "unknown": ("?", "unknown"),
    "ambiguous": ("≈", "ambiguous"),
    "non_match": ("✗", "no match"),
    "poor_image": ("!", "poor image"),
    "not_live": ("⊘", "picture of a face"),
    "no_face": ("–", "no face"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A photo of the report: the photo itself, and the line below it (who took it, under which licence)."""

    photo: Photo
    caption: str


def boxed_thumbnail(photo: Photo, detections: Detections | None, max_side: int = _THUMBNAIL_PX) -> Image:
    """The photo at most `max_side` pixels wide or high, each face in a numbered box; uint8 (H, W, 3) RGB."""
    image = np.array(photo.thumbnail(max_side))
    if detections is None:
        return image
    scale = image.shape[1] / photo.image_hw[1]
    for number, box in enumerate(detections.boxes, 1):
        x0, y0, x1, y1 = (round(float(v) * scale) for v in box)
        cv2.rectangle(image, (x0, y0), (x1, y1), (0, 0, 0), 4)
        cv2.rectangle(image, (x0, y0), (x1, y1), (255, 214, 0), 2)
        if len(detections) > 1:
            cv2.putText(image, str(number), (x0 + 4, y0 + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 4)
            cv2.putText(image, str(number), (x0 + 4, y0 + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2)
    return image


def data_uri(image: Image) -> str:
    """The picture (uint8 RGB) as a JPEG in a `data:` address."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not done:
        raise ValueError("the picture could not be encoded")
    return "data:image/jpeg;base64," + base64.b64encode(bytes(data)).decode("ascii")


def write_report(
    file: Path,
    *,
    title: str,
    facts: Sequence[tuple[str, str]],
    enrolled: Sequence[tuple[str, Shown]],
    identified: Sequence[tuple[Identification, Shown | None]],
) -> None:
    """Writes the report to a temporary name and renames it.

    Args:
        file: Where to.
        title: Its heading.
        facts: What the figures rest on, a label and a value each.
        enrolled: Subject and photo of everybody enrolled.
        identified: Results in their order, with the photo where it could be opened.
    """
    people = "".join(_person(name, shown) for name, shown in enrolled)
    rows = "".join(_row(result, shown) for result, shown in identified)
    table = "".join(f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in facts)
    page = _PAGE.format(title=escape(title), people=people, rows=rows, facts=table, style=_STYLE)
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".report-", suffix=".html")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(page)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _picture(image: Image, alt: str) -> str:
    return f'<img src="{data_uri(image)}" alt="{escape(alt, quote=True)}">'


def _person(name: str, shown: Shown) -> str:
    picture = _picture(boxed_thumbnail(shown.photo, None, 200), f"photo of {name}")
    caption = f"<figcaption><b>{escape(name)}</b><small>{escape(shown.caption)}</small></figcaption>"
    return f"<figure>{picture}{caption}</figure>"


def _row(result: Identification, shown: Shown | None) -> str:
    picture = caption = ""
    if shown:
        found = result.faces.detections if result.faces else None
        picture = _picture(boxed_thumbnail(shown.photo, found), f"photo {Path(result.photo).name}")
        caption = f"<small>{escape(shown.caption)}</small>"
    name = f"<h3>{escape(Path(result.photo).name)}</h3>"
    if result.error:
        body = f'<p class="error"><b>!</b> {escape(result.error.message)}</p>'
    else:
        body = "".join(_face(number, decision, result) for number, decision in enumerate(result.decisions, 1))
    return f'<article><div class="photo">{picture}{caption}</div><div>{name}{body}</div></article>'


def _face(number: int, decision: Decision, result: Identification) -> str:
    sign, word = _SIGNS[decision.kind]
    crop = _picture(result.faces.aligned.crops[number - 1], f"face {number}") if result.faces else ""
    who = decision.subject or word
    scores = ""
    if decision.score is not None and decision.threshold is not None:
        scores = f"score <b>{decision.score:.3f}</b>, threshold {decision.threshold:.3f}"
        if decision.runner_up:
            scores += f", next best {escape(decision.runner_up[0])} {decision.runner_up[1]:.3f}"
    label = f"<b>{sign} {escape(who)}</b>" + ("" if decision.subject is None else f" <small>{word}</small>")
    return (
        f'<div class="face {decision.kind}">{crop}<div><p>{label}</p><p>{scores}</p>'
        f"<p class=reason>{escape(decision.reason)}</p></div></div>"
    )


_STYLE = """
:root{color-scheme:light dark;--line:#8885;--good:#1a7f37;--soft:#8882}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}h3{font-size:1rem;margin:0 0 .5rem;overflow-wrap:anywhere}
img{max-width:100%;border-radius:6px;display:block}small{color:GrayText;display:block;font-size:.8rem}
.people{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;width:150px}figcaption{margin-top:.3rem}
article{display:grid;grid-template-columns:minmax(0,18rem) 1fr;gap:1.2rem;padding:1.2rem 0;
border-top:1px solid var(--line)}
.face{display:flex;gap:.8rem;background:var(--soft);border-left:4px solid GrayText;border-radius:6px;padding:.7rem;
margin-bottom:.6rem}
.face.match{border-color:var(--good)}.face img{width:72px;height:72px}.face p{margin:0}.reason{font-size:.85rem}
.face p b{font-size:1.05rem}.error{border-left:4px solid #b35900;padding-left:.7rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;font-size:.9rem}dd{margin:0;overflow-wrap:anywhere}
@media(max-width:40rem){article{grid-template-columns:1fr}}
"""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title><style>{style}</style></head><body>
<h1>{title}</h1>
<p>Everything below was computed on this machine. ✓ found: named with the score shown. ? unknown: nobody enrolled is
alike enough. The scores are cosine similarities; the threshold belongs to the error rate stated with each decision.</p>
<h2>Enrolled</h2><div class="people">{people}</div>
<h2>Identified</h2>{rows}
<h2>What this rests on</h2><dl>{facts}</dl>
</body></html>
"""
