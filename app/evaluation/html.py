"""The report as one self-contained HTML page: no script, no network; light and dark, wide and narrow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from app.evaluation.charts import Series, deviate_axis, histogram_chart, line_chart, linear_axis
from app.evaluation.markdown import facts_of
from app.evaluation.tables import Table, headline, percent, tables_of, title_of


@dataclass(frozen=True, slots=True)
class Shown:
    """Two faces side by side.

    Attributes:
        left: A picture as a `data:` address, or None where there is none.
        right: Likewise.
        caption: What they are, and their score.
    """

    left: str | None
    right: str | None
    caption: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """A row of pairs under a heading."""

    title: str
    pairs: Sequence[Shown]


def html_of(document: dict[str, Any], galleries: Sequence[Gallery]) -> str:
    """The page.

    Args:
        document: Figures, curves, settings and run, as in report.json.
        galleries: The worst comparisons, as pictures; empty for none.
    """
    return page_of(
        title_of(document),
        document["model_id"],
        headline(document),
        _charts(document),
        list(tables_of(document)),
        galleries,
        _TERMS[document["kind"]],
        facts_of(document),
    )


def page_of(
    title: str,
    model: str,
    cards: Sequence[tuple[str, str, str]],
    charts: Sequence[tuple[str, str]],
    tables: Sequence[Table],
    galleries: Sequence[Gallery],
    terms: str,
    facts: Sequence[tuple[str, str]],
) -> str:
    """The page of any report.

    Args:
        title: Its heading.
        model: Whose figures these are.
        cards: Name, value and small print of the few figures at the top.
        charts: SVG and caption of each.
        tables: The tables; empty ones are left out.
        galleries: Pairs of faces.
        terms: What the words mean; text without markup.
        facts: What the figures rest on: names and values.
    """
    items = (f"<li><span>{escape(n)}</span><b>{escape(v)}</b><small>{escape(m)}</small></li>" for n, v, m in cards)
    figures = (f"<figure>{svg}<figcaption>{escape(text)}</figcaption></figure>" for svg, text in charts)
    rests = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return _PAGE.format(
        title=escape(title),
        style=_STYLE,
        model=escape(model),
        cards="".join(items),
        figures="".join(figures),
        tables="".join(_table(table) for table in tables if table.rows),
        galleries="".join(_gallery(gallery) for gallery in galleries if gallery.pairs),
        terms=escape(terms),
        facts="".join(rests),
    )


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    note = f"<p class=note>{escape(table.note)}</p>" if table.note else ""
    body = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f"<h2>{escape(table.title)}</h2><div class=scroll tabindex=0><table>{body}</table></div>{note}"


def _gallery(gallery: Gallery) -> str:
    items = "".join(
        f"<figure><div>{_face(pair.left)}{_face(pair.right)}</div><figcaption>{escape(pair.caption)}</figcaption></figure>"
        for pair in gallery.pairs
    )
    return f'<h2>{escape(gallery.title)}</h2><div class="faces">{items}</div>'


def _face(picture: str | None) -> str:
    return f'<img src="{picture}" alt="">' if picture else "<i>no face</i>"


def _charts(document: dict[str, Any]) -> list[tuple[str, str]]:
    verification = document["kind"] == "verification"
    charts = [_det(document, verification=verification), _histogram(document, verification=verification)]
    if not verification and len(document["cmc"]) > 1:
        charts.append(_cmc(document["cmc"]))
    return [chart for chart in charts if chart]


def _det(document: dict[str, Any], *, verification: bool) -> tuple[str, str] | None:
    """DET (1:1: FNMR over FMR) or its open-set counterpart (1:N: FNIR over FPIR)."""
    points = document["curves"]["det"]
    if not points:
        return None
    names = ("FMR", "FNMR") if verification else ("FPIR", "FNIR")
    x_low, y_low = (min(0.1, 0.5 / max(document[key], 1)) for key in ("non_mated", "mated"))
    top = 0.5 if verification else 0.9
    x, y = deviate_axis(names[0], x_low, top), deviate_axis(names[1], y_low, top)
    rows = document["tar_at_fmr" if verification else "fnir_at_fpir"]
    marks = [
        (row["fmr"], 1 - row["tar"], f"{names[0]} {percent(row['fmr'])}, {names[1]} {percent(1 - row['tar'])}")
        if verification
        else (row["fpir"], row["fnir"], f"{names[0]} {percent(row['fpir'])}, {names[1]} {percent(row['fnir'])}")
        for row in rows
        if verification or row["fnir"] is not None
    ]
    svg = line_chart(f"{names[1]} over {names[0]}", x, y, [Series("DET", [(p[1], p[2]) for p in points])], marks)
    what = "Detection error trade-off" if verification else "Open-set identification"
    return svg, f"{what}: {names[1]} over {names[0]}, normal-deviate axes. Lower and further left is better."


def _histogram(document: dict[str, Any], *, verification: bool) -> tuple[str, str]:
    data = document["curves"]["histogram"]
    shares = [[n / max(sum(counts), 1) for n in counts] for counts in (data["mated"], data["non_mated"])]
    x = linear_axis("score", data["edges"][0], data["edges"][-1])
    y = linear_axis("share", 0.0, max(max(heights) for heights in shares) or 1.0, percent=True)
    rows = document["tar_at_fmr" if verification else "fnir_at_fpir"]
    lines = [row["threshold"] for row in rows[-1:] if math.isfinite(row["threshold"])]
    svg = histogram_chart("Scores of mated and non-mated comparisons", x, y, data["edges"], shares, lines)
    who = "comparisons" if verification else "probes (own subject; for unknown people the highest score)"
    return svg, f"Scores of mated (solid) and non-mated (dashed outline) {who}; the line is the strictest threshold."


def _cmc(shares: Sequence[float]) -> tuple[str, str]:
    x = linear_axis("rank", 1, len(shares))
    low = math.floor(min(shares) * 50 - 0.5) / 50
    y = linear_axis("mated probes found", max(0.0, low), 1.0, percent=True)
    points = [(float(rank), share) for rank, share in enumerate(shares, 1)]
    svg = line_chart("Cumulative match characteristic", x, y, [Series("CMC", points)], [])
    return svg, "Cumulative match characteristic (no threshold): share of mated probes found within a rank."


_TERMS = {
    "verification": (
        "FMR: false match rate, comparisons of different people taken for one person. FNMR: false non-match rate, "
        "comparisons of one person missed. TAR: 1 − FNMR. EER: where both are equal. FTA: failure to acquire, no "
        "usable face in the photo. Terms as in ISO/IEC 19795-1. Intervals are of 95 %; those by subject resample "
        "people, since comparisons that share a person are not independent."
    ),
    "identification": (
        "FPIR: false positive identification rate, people who are not enrolled yet are given a name. FNIR: false "
        "negative identification rate, enrolled people not found at the threshold. FTE, FTA: failure to enrol, to "
        "acquire: no usable face in the photo. Terms as in ISO/IEC 19795-1. Intervals are of 95 %."
    ),
}

_STYLE = """
:root{color-scheme:light dark;--dim:color-mix(in srgb,CanvasText 68%,Canvas);
--line:#8886;--shade:#888c;--soft:#8881;--a:#00796b;--b:#c2410c;--m:#7c3aed}
@media(prefers-color-scheme:dark){:root{--a:#4db6ac;--b:#fb923c;--m:#c4b5fd}}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin-bottom:0;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2rem 0 .5rem}
small,.note,figcaption{color:var(--dim);font-size:.85rem}small{display:block}code{overflow-wrap:anywhere}
.cards{list-style:none;padding:0;display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.8rem}
.cards li{background:var(--soft);border:1px solid var(--line);border-radius:8px;padding:.7rem .9rem}
.cards b{display:block;font-size:1.5rem}.cards span{font-size:.9rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1.2rem}
figure{margin:0}svg{width:100%;height:auto;display:block;font:12px system-ui,sans-serif}
svg text{fill:CanvasText}svg .grid{stroke:var(--line);stroke-width:.6}svg .frame{fill:none;stroke:var(--line)}
svg polyline{fill:none;stroke-width:2}svg .s0{stroke:var(--a)}svg .s1{stroke:var(--b)}
svg .area{fill-opacity:.35;stroke-width:1.5}svg .s0.area{fill:var(--a)}svg .s1.area{fill:var(--b);fill-opacity:.12;
stroke-dasharray:3 2}svg circle.mark{fill:var(--m)}svg line.mark{stroke:var(--m);stroke-width:1.5}
.scroll{overflow-x:auto;--in:var(--shade),transparent;
background:linear-gradient(to right,Canvas 40%,transparent) 0 0/2.5rem 100% no-repeat local,
linear-gradient(to left,Canvas 40%,transparent) 100% 0/2.5rem 100% no-repeat local,
linear-gradient(to right,var(--in)) 0 0/1rem 100% no-repeat,
linear-gradient(to left,var(--in)) 100% 0/1rem 100% no-repeat}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th{white-space:normal;vertical-align:bottom}th:first-child,td:first-child{text-align:left}
.faces{display:grid;grid-template-columns:repeat(auto-fill,minmax(10.5rem,1fr));gap:1rem}
.faces div{display:flex;gap:4px}.faces img,.faces i{width:50%;aspect-ratio:1;object-fit:cover;border-radius:6px;
background:var(--soft);display:grid;place-items:center;font-size:.8rem;color:var(--dim)}
.faces figcaption{overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;font-size:.9rem}dd{margin:0;overflow-wrap:anywhere}
@media(max-width:30rem){dl{grid-template-columns:1fr}dd{margin-bottom:.5rem}}
"""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title><style>{style}</style></head><body>
<h1>{title}</h1><p><code>{model}</code></p>
<ul class="cards">{cards}</ul>
<div class="charts">{figures}</div>
{tables}
{galleries}
<h2>Terms</h2><p class=note>{terms}</p>
<h2>What this rests on</h2><dl>{facts}</dl>
</body></html>
"""
