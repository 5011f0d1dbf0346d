"""Unknowns: faces from runs that nobody has named, those of one person together."""

from __future__ import annotations

import streamlit as st

from app.services import Services
from app.unknowns import Registry, label, refresh
from app.unknowns.pictures import pictures
from app.web import markup, paging, state, unknown_one
from app.web.texts import words
from pipeline.errors import UnknownClusterError

_PER_PAGE, _STRIP = 10, 6
_PAGE, _ALONE = "unknowns_page", "unknowns_single"


def show() -> None:
    """Draws the page."""
    st.title(words.unknowns, anchor=False)
    with state.sentences():
        service = state.services()
        with st.spinner(words.unknowns_looking, show_time=False):
            registry = refresh(service)
        if said := st.session_state.pop(unknown_one.SAID, ""):
            st.html(markup.note("good", said))
        opened = st.session_state.get(unknown_one.OPEN)
        if opened is None:
            _everybody(service, registry)
            return
        try:
            unknown_one.draw(service, registry, registry.resolve(opened))
        except UnknownClusterError:  # named or merged meanwhile, in another session
            st.session_state[unknown_one.OPEN] = None
            state.again()


def _everybody(service: Services, registry: Registry) -> None:
    st.html(markup.lead(words.unknowns_lead))
    clusters, subjects = registry.clusters(), registry.subjects()
    if not clusters:
        title, how = words.unknowns_none, words.unknowns_none_how
        if not registry.runs():
            title, how = words.unknowns_no_runs, words.unknowns_no_runs_how
        st.html(markup.note("info", f"<b>{markup.text(title)}</b><p>{markup.text(how)}</p>"))
        return
    several = {number for number, faces in clusters.items() if len(faces) > 1 or number in subjects}
    alone = len(clusters) - len(several)
    if alone and several:
        st.checkbox(
            words.unknowns_alone.format(count=f"{alone:,}"), key=_ALONE, on_change=paging.restart, args=(_PAGE,)
        )
    shown = clusters if st.session_state.get(_ALONE) or not several else several
    ordered = sorted(shown, key=lambda number: (-len(clusters[number]), number))
    first = paging.offset(_PAGE, len(ordered), _PER_PAGE)
    page = ordered[first : first + _PER_PAGE]
    seen = pictures(service, registry, [face for number in page for face in clusters[number][:_STRIP]])
    for number in page:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.html(_card(number, clusters[number], seen, subjects.get(number)))
            st.button(words.unknowns_open, key=f"open_{number}", on_click=unknown_one.open_one, args=(label(number),))
    paging.controls(_PAGE, len(ordered), _PER_PAGE)


def _card(number: int, faces: list[str], seen: dict[str, bytes], subject: str | None) -> str:
    """A few of the faces, what they are called, and how many there are."""
    photos = len({face.rpartition("-")[0] for face in faces})
    about = words.unknowns_of.format(faces=words.faces(len(faces)), photos=words.photos(photos))
    named = "" if subject is None else f" · {markup.fill(words.unknowns_named, name=subject)}"
    more = words.unknowns_more.format(count=len(faces) - _STRIP) if len(faces) > _STRIP else ""
    return (
        f'<div class="kf kf-cluster">{unknown_one.strip(label(number), faces[:_STRIP], seen, more)}'
        f"<b>{label(number)}</b><small>{markup.text(about)}{named}</small></div>"
    )
