"""Identify: names for the faces in photos, with scores and reasons."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from app.access import Role
from app.report import data_uri
from app.results import as_csv, as_json
from app.services import Identification, Services
from app.web import inputs, markup, paging, report_page, state
from app.web.state import Seen
from app.web.texts import language, speaking, words

MAX_PHOTOS = 100
_PER_PAGE = 10


def show() -> None:
    """Draws the page."""
    st.title(words.identify, anchor=False)
    st.html(markup.lead(words.identify_lead))
    with state.sentences():
        service = state.services()
        with st.spinner(words.loading, show_time=False):
            service.identify_point()
        if not len(service.gallery):
            st.html(markup.note("warn", markup.text(words.identify_empty) + _way_to_enrol()))
        else:
            inputs.notes(service)
        photos = inputs.look_all(service, inputs.several("identify", MAX_PHOTOS, unpack=service.settings.max_bytes))
        if photos:
            _results(photos, _identify(service, photos))


def _way_to_enrol() -> str:
    """A link to where somebody is enrolled, for those who may."""
    if state.actor().role < Role.OPERATOR:
        return ""
    return f' <a href="/enrol" target="_self">{markup.text(words.go_enrol)}</a>'


def _identify(service: Services, photos: list[Seen]) -> list[Identification]:
    """Asks the gallery as it is now; the photos were looked at before."""
    point = service.identify_point()
    return [
        Identification(seen.name, error=seen.error) if seen.faces is None else service.identify_faces(seen.faces, point)
        for seen in photos
    ]


def _results(photos: list[Seen], results: list[Identification]) -> None:
    st.html(f'<p class="kf" role="status"><b>{_summary(results)}</b></p>')
    with st.container(horizontal=True):
        csv = as_csv(results).encode("utf-8-sig")
        st.download_button(words.download_csv, csv, "faces.csv", "text/csv", on_click="ignore")
        st.download_button(words.download_json, as_json(results), "faces.json", "application/json", on_click="ignore")
        spoken = language()
        st.download_button(
            words.download_html, lambda: _report(photos, results, spoken), "faces.html", "text/html", on_click="ignore"
        )
    pairs = list(zip(photos, results, strict=True))
    first = paging.offset("identify_page", len(pairs), _PER_PAGE)
    for seen, result in pairs[first : first + _PER_PAGE]:
        with st.container(border=True):
            left, right = st.columns([2, 3], gap="medium")
            left.html(report_page.photo(seen))
            right.html(_faces(result))
    paging.controls("identify_page", len(pairs), _PER_PAGE)


def _faces(result: Identification) -> str:
    crops = [] if result.faces is None else [data_uri(crop) for crop in result.faces.aligned.crops]
    return report_page.body(result, crops)


def _report(photos: list[Seen], results: list[Identification], spoken: str) -> bytes:
    """Made when it is asked for, which is outside of the page: in the language that the page was in."""
    with speaking(spoken):
        return report_page.report(photos, [_faces(result) for result in results], _summary(results)).encode()


def _summary(results: list[Identification]) -> str:
    kinds: Counter[str] = Counter(decision.kind for result in results for decision in result.decisions)
    kinds["failed"] = sum(result.error is not None for result in results)
    said = [
        sentence.format(count=kinds[kind])
        for kind, sentence in words.identify_counts.items()
        if kinds[kind] or kind == "match"
    ]
    sentence = words.identify_summary.format(
        photos=words.photos(len(results)), counts=words.identify_between.join(said)
    )
    return markup.text(sentence)
