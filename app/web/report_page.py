"""What identify found, as one HTML file to keep: pictures, names, scores and reasons. No script, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from app.outcomes import Identification
from app.web import markup
from app.web.state import Seen
from app.web.texts import words

_STYLE = Path(__file__).resolve().with_name("style.css")
_PAGE = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title><style>:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}}
article{{display:grid;grid-template-columns:minmax(0,22rem) minmax(0,1fr);gap:1.2rem;padding:1.2rem 0;
border-top:1px solid #8885}}@media(max-width:40rem){{article{{grid-template-columns:minmax(0,1fr)}}}}
{style}</style></head><body><h1>{title}</h1><p>{summary}</p>{photos}</body></html>
"""


def report(photos: Iterable[Seen], bodies: Sequence[str], summary: str) -> str:
    """The file.

    Args:
        photos: What was looked at.
        bodies: What is said of each, HTML made by `markup`.
        summary: Likewise, of all.
    """
    articles = "".join(
        f"<article>{photo(seen)}<div>{body}</div></article>" for seen, body in zip(photos, bodies, strict=True)
    )
    style = _STYLE.read_text(encoding="utf-8")
    title = markup.text(words.report_title)
    return _PAGE.format(lang=words.html_lang, title=title, style=style, summary=summary, photos=articles)


def photo(seen: Seen, *, small: bool = True) -> str:
    """A photo with its boxes, or its name alone where there is no picture of it."""
    if not seen.picture:
        return f'<p class="kf kf-file">{markup.name(seen.name)}</p>'
    return markup.photo(seen.picture, seen.name, seen.faces.detections if seen.faces else None, small=small)


def body(result: Identification, crops: Sequence[str]) -> str:
    """What is said of one photo.

    Args:
        result: What became of it.
        crops: Its faces as `data:` addresses.
    """
    if result.error or result.faces is None:
        return markup.note("warn", markup.error(result.error))
    return "".join(
        markup.identified(crop, number if len(crops) > 1 else None, decision)
        for number, (crop, decision) in enumerate(zip(crops, result.decisions, strict=True), 1)
    )
