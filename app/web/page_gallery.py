"""Gallery: everybody who is enrolled; one person's photos, name and removal."""

from __future__ import annotations

import streamlit as st

from app.access import Role
from app.services import Services
from app.web import gallery_about, gallery_actions, markup, paging, state
from app.web.texts import words
from pipeline.errors import SubjectNotFoundError

_PER_PAGE = 20
_OPEN, _PAGE, _SEARCH = gallery_actions.OPEN, "gallery_page", "gallery_search"


def show() -> None:
    """Draws the page."""
    st.title(words.gallery, anchor=False)
    with state.sentences():
        service = state.services()
        if said := st.session_state.pop(gallery_actions.SAID, ""):
            st.html(markup.note("good", said))
        opened = st.session_state.get(_OPEN)
        if opened is None:
            _everybody(service)
        else:
            try:
                _one(service, opened)
            except SubjectNotFoundError:  # another session removed or renamed the person meanwhile
                st.session_state[_OPEN] = None
                state.again()


def _everybody(service: Services) -> None:
    total = len(service.gallery)
    if not total:
        st.html(markup.note("info", markup.text(words.start_empty)))
        return
    st.html(markup.lead(words.gallery_lead))
    search = st.text_input(words.search_label, key=_SEARCH, on_change=paging.restart, args=(_PAGE,)).strip()
    if search:  # how many names fit is not counted: one more than a page says whether there is a next one
        first = st.session_state.get(_PAGE, 0) * _PER_PAGE
        people = service.gallery.subjects(limit=_PER_PAGE + 1, offset=first, search=search)
        total = first + len(people)
    else:
        people = service.gallery.subjects(limit=_PER_PAGE, offset=paging.offset(_PAGE, total, _PER_PAGE))
    if not people:
        st.html(markup.note("info", markup.fill(words.search_none, search=search)))
    for row, person in enumerate(people[:_PER_PAGE]):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            since = words.since.format(date=f"{person.created:%Y-%m-%d}")
            about = f"{markup.text(words.photos(person.samples))} · {markup.text(since)}"
            st.html(f'<div class="kf kf-row"><b>{markup.name(person.name)}</b><small>{about}</small></div>')
            st.button(words.open_subject, key=f"open_{row}", on_click=_open, args=(person.name,))
    paging.controls(_PAGE, total, _PER_PAGE, exact=not search)
    if service.actor.role >= Role.ADMIN:
        gallery_actions.backup(service)


def _open(name: str | None) -> None:
    st.session_state[_OPEN] = name
    gallery_actions.forget()


def _one(service: Services, name: str) -> None:
    detail = service.gallery.subject(name)
    role = service.actor.role
    with st.container(horizontal=True):
        st.button(words.back, key="gallery_back", on_click=_open, args=(None,))
        if role >= Role.OPERATOR:
            gallery_actions.export(service, name)
    st.html(f'<h2 class="kf kf-name">{markup.name(name)}</h2>')
    gallery_about.samples(service, detail.samples)
    gallery_about.rights(service, name)
    if role >= Role.OPERATOR:
        gallery_actions.rename(service, name)
        gallery_actions.merge(service, name)
        gallery_actions.split(service, name, [sample.id for sample in detail.samples[: gallery_about.MOST]])
    if role >= Role.ADMIN:
        gallery_actions.remove(service, name, detail.info.samples)
