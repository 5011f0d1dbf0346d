"""A run as one HTML page that opens without a server: sections of people, searched and paged by its own script.

The page holds compact tables as JSON; its script draws what is looked at, so it stays quick with 50,000 faces. Pictures
are in the page, up to a limit, or with `assets` beside it as files that a browser fetches when they come into view. All
text of users is data, never markup; a Content Security Policy with the hashes of the page's own script and style lets
nothing else run and no other address be asked.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from app.runs.output import words
from app.runs.output.files import replacing
from app.runs.output.pictures import Beside, Inline, place_portraits
from app.runs.output.report_data import PICTURE, Portraits, ReportData, report_data
from app.runs.output.rows import readable
from app.runs.output.source import Results

#: Bytes of pictures that a page without assets holds at most; how many are left out stands in the page.
INLINE_BYTES = 48 * 2**20
_CHUNK = 250  # pictures that the script reads at a time


def write_html(
    run: Results, file: Path, *, assets: bool = False, portraits: Portraits | None = None, limit: int = INLINE_BYTES
) -> None:
    """Writes the report.

    Args:
        run: What it is about.
        file: Where to; with `assets`, `<file's name without suffix>-files/` beside it holds the pictures.
        assets: Every picture as a file of its own, which the browser fetches when it comes into view.
        portraits: Pictures of enrolled people that the run has no face of.
        limit: Bytes of faces' pictures in the page, where they are in it.

    Raises:
        ResultsError: Something cannot be written.
    """
    data = report_data(run)
    folder = f"{file.stem}-files"
    pictures: Inline | Beside = Beside(file.parent / folder) if assets else Inline(limit)
    pictures.place_faces(run, data)
    document = {
        "words": words.SCRIPT,
        "names": data.names,
        "photos": data.photos,
        "faces": data.faces,
        "files": data.files,
        "groups": data.groups,
        "portraits": place_portraits(data, pictures, portraits),
        "chunk": _CHUNK,
        "assets": f"{folder}/",
    }
    uris = pictures.uris if isinstance(pictures, Inline) else []
    with replacing(file) as stream:
        for part in _page(run.name, run.summary(), data, document, uris, assets=assets):
            stream.write(part.encode())
    if isinstance(pictures, Beside):
        pictures.tidy()


def _page(
    name: str, summary: Mapping[str, Any], data: ReportData, document: Any, uris: list[str], *, assets: bool
) -> Iterator[str]:
    script, style = asset("report.js"), asset("report.css")
    title = escape(words.TITLE.format(run=readable(name)))
    yield _HEAD.format(
        language=words.LANGUAGE,
        title=title,
        style=style,
        policy=policy(script, style, assets=assets),
        skip=escape(words.SKIP),
        lead=escape(words.LEAD),
        no_script=escape(words.NO_SCRIPT),
        cards=_cards(summary, data),
        facts=_facts(summary),
        about=escape(words.ABOUT),
        note=_note(data, assets=assets),
        controls=_controls(data),
        pager=_pager(),
    )
    yield _island("data", document)
    for start in range(0, len(uris), _CHUNK):
        yield _island(f"pictures-{start // _CHUNK}", uris[start : start + _CHUNK])
    yield f"<script>{script}</script>\n</body></html>\n"


@cache
def asset(name: str) -> str:
    """A file of the page's own: its script or its style."""
    return resources.files("app.runs.output").joinpath("page", name).read_text("utf-8")


def policy(script: str, style: str, *, assets: bool) -> str:
    """The Content Security Policy (level 3): only this script and this style, only pictures, no address elsewhere."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)]
    pictures = "data: 'self'" if assets else "data:"
    return (
        f"default-src 'none'; script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; img-src {pictures}; "
        "base-uri 'none'; form-action 'none'"
    )


def _island(identity: str, value: Any) -> str:
    """JSON inside a page: no `<`, `>` or `&` is left that could end it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/json" id="{identity}">{text}</script>\n'


def _cards(summary: Mapping[str, Any], data: ReportData) -> str:
    tally = dict.fromkeys(words.COUNTS, 0)
    for group in data.groups:
        kind = {"people": "named", "loose": "unknown", "files": "unused"}.get(group["kind"], group["kind"])
        tally[kind] = tally.get(kind, 0) + len(group["rows"])
        tally["people"] += group["kind"] == "people"
    tally |= {"files": int(summary.get("files", 0)), "faces": len(data.faces)}
    return "".join(f"<li><b>{tally[kind]:,}</b><span>{escape(text)}</span></li>" for kind, text in words.COUNTS.items())


def _facts(summary: Mapping[str, Any]) -> str:
    point, gallery = summary.get("operating_point") or {}, summary.get("gallery") or {}
    values: dict[str, Any] = {"model": summary.get("model_id"), "gallery": gallery.get("subjects")}
    values["generation"] = gallery.get("generation")
    if point:
        measured = words.MEASURED.format(n=f"{point['gallery_size']:,}") if point.get("gallery_size") else ""
        upper = words.RATE_UPPER.format(rate=_rate(point["fpir"]), upper=_rate(point["fpir_upper"]))
        values |= {"threshold": f"{point['threshold']:.3f}", "origin": point.get("origin")}
        values |= {"fpir": ", ".join(filter(None, (upper, measured))), "fnir": _rate(point["fnir"])}
    lines = ((label, values.get(key)) for key, label in words.FACTS.items())
    return "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(readable(str(value)))}</dd></div>"
        for label, value in lines
        if value is not None
    )


def _rate(value: float) -> str:
    return f"{value * 100:.2g} %"


def _note(data: ReportData, *, assets: bool) -> str:
    shown = sum(face[PICTURE] is not None for face in data.faces)
    if assets or shown == len(data.faces):
        return ""
    text = words.SOME_PICTURES.format(n=f"{shown:,}", total=f"{len(data.faces):,}")
    return f"<p class=note>{escape(text)}</p>"


def _controls(data: ReportData) -> str:
    tally = {"all": len(data.faces) + len(data.files)}
    for group in data.groups:
        tally[group["tab"]] = tally.get(group["tab"], 0) + len(group["rows"])
    buttons = "".join(
        f'<button type="button" value="{kind}" aria-pressed="{str(kind == "all").lower()}">{escape(text)} '
        f"<small>{tally[kind]:,}</small></button>"
        for kind, text in words.KINDS.items()
        if kind in tally
    )
    orders = "".join(_option(key, text) for key, text in words.ORDERS.items())
    return (
        f'<label class="wide">{escape(words.SEARCH)}<input id="search" type="search" autocomplete="off" '
        f'placeholder="{escape(words.SEARCH_HINT, quote=True)}"></label>'
        f'<label>{escape(words.ORDER)}<select id="order">{orders}</select></label>'
        f'<div id="kinds" role="group" aria-label="{escape(words.SHOW, quote=True)}">{buttons}</div>'
    )


def _option(key: str, text: str) -> str:
    return f'<option value="{key}">{escape(text)}</option>'


def _pager() -> str:
    back, on, pages = (escape(text, quote=True) for text in (words.BACK, words.ON, words.PAGES))
    return (
        f'<nav class="pager" aria-label="{pages}" hidden><button type="button">{back}</button><span></span>'
        f'<button type="button">{on}</button></nav>'
    )


_HEAD = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}"><meta name="referrer" content="no-referrer">
<title>{title}</title><style>{style}</style></head><body>
<a class="skip" href="#results">{skip}</a>
<header><h1>{title}</h1><p class="note">{lead}</p>
<ul class="cards">{cards}</ul>
<details class="about" open><summary>{about}</summary><dl>{facts}</dl></details>{note}</header>
<form id="controls" role="search">{controls}</form>
<div class="bottom"><span id="status" role="status"></span>{pager}</div>
<main id="results" tabindex="-1"><noscript>{no_script}</noscript></main>
<div class="bottom"><span></span>{pager}</div>
"""
