"""Start: what Knownface does, what is in the gallery, and what to do first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from app.web import markup, state
from app.web.texts import words
from pipeline.weights import ModelStore

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage


def show(pages: Mapping[str, StreamlitPage]) -> None:
    """Draws the page.

    Args:
        pages: The other pages, by the name of their address.
    """
    st.title(words.product, anchor=False)
    st.html(markup.lead(words.start_lead))
    with state.sentences():
        service = state.services()
        store = ModelStore(service.settings.models_dir)
        service.open_gallery_if_there()
        settings = service.in_force
        for model in (settings.detector, settings.refiner, settings.embedder):
            if model != "none":
                store.installed(model)
        people, samples = len(service.gallery), service.gallery.sample_count
        if people:
            st.html(_figures(people, samples))
        else:
            first = f"<b>{markup.text(words.start_empty)}</b><p>{markup.text(words.start_verify_first)}</p>"
            st.html(markup.note("info", first))
    cards = [
        ("enrol", words.enrol, words.enrol_does, words.go_enrol),
        ("verify", words.verify, words.verify_does, words.go_verify),
        ("identify", words.identify, words.identify_does, words.go_identify),
        ("gallery", words.gallery, words.gallery_does, words.go_gallery),
    ]
    cards = [card for card in cards if card[0] in pages]  # the others take another role
    for row in (cards[:2], cards[2:]):
        for column, (address, title, does, go) in zip(st.columns(2, gap="medium"), row, strict=False):
            with column, st.container(border=True, height="stretch"):
                st.header(title, anchor=False)
                st.html(f'<p class="kf">{markup.text(does)}</p>')
                if st.button(go, key=f"go_{address}", type="primary" if address == "enrol" else "secondary"):
                    st.switch_page(pages[address])


def _figures(people: int, samples: int) -> str:
    named = words.start_person if people == 1 else words.start_people
    photos = words.start_sample if samples == 1 else words.start_samples
    return (
        f'<div class="kf kf-figures"><span><b>{people:,}</b>{markup.text(named)}</span>'
        f"<span><b>{samples:,}</b>{markup.text(photos)}</span></div>"
    )
