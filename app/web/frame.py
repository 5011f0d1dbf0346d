"""What surrounds every page: the list of pages, the language, and who is logged in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from app.access import LOCAL, Actor, Role
from app.web import (
    markup,
    page_audit,
    page_batch,
    page_calibrate,
    page_challenge,
    page_enrol,
    page_gallery,
    page_identify,
    page_models,
    page_start,
    page_unknowns,
    page_verify,
)
from app.web.texts import CHOSEN, NAMES, language, words


@dataclass(frozen=True, slots=True)
class Entry:
    """A page.

    Attributes:
        name: Its address, and the name of its title among the words.
        show: Draws it.
        section: Name of its section's title among the words.
        role: Who sees it in the list. What they may do there, the services decide.
    """

    name: str
    show: Callable[[], None]
    section: str
    role: Role = Role.VIEWER


#: A new page is a file `page_NAME.py`, its words, and a line here.
PAGES = (
    Entry("verify", page_verify.show, "section_recognise"),
    Entry("identify", page_identify.show, "section_recognise"),
    Entry("challenge", page_challenge.show, "section_recognise"),
    Entry("batch", page_batch.show, "section_recognise"),
    Entry("enrol", page_enrol.show, "section_people", Role.OPERATOR),
    Entry("gallery", page_gallery.show, "section_people"),
    Entry("unknowns", page_unknowns.show, "section_people"),
    Entry("calibrate", page_calibrate.show, "section_admin", Role.OPERATOR),
    Entry("models", page_models.show, "section_admin"),
    Entry("audit", page_audit.show, "section_admin", Role.ADMIN),
)


def draw(actor: Actor) -> None:
    """Draws the list at the side and the page."""
    entries = [entry for entry in PAGES if actor.role >= entry.role]
    pages = {
        entry.name: st.Page(entry.show, title=getattr(words, entry.name), url_path=entry.name) for entry in entries
    }
    start = st.Page(lambda: page_start.show(pages), title=words.start, url_path="start", default=True)
    sections: dict[str, list[st.Page]] = {"": [start]}
    for entry in entries:
        sections.setdefault(getattr(words, entry.section), []).append(pages[entry.name])
    chosen = st.navigation(sections)
    with st.sidebar:
        _foot(actor)
    chosen.run()


def _foot(actor: Actor) -> None:
    """The language, and who is logged in with the way out."""
    st.segmented_control(
        words.language_label, list(NAMES), default=language(), format_func=lambda code: NAMES[code], key=CHOSEN
    )
    if actor != LOCAL:
        who = markup.fill(words.signed_in, name=actor.name, role=words.roles[actor.role.label])
        way_out = f'<a href="/logout" target="_self">{markup.text(words.log_out)}</a>'
        st.html(f'<p class="kf kf-file">{who} · {way_out}</p>')
