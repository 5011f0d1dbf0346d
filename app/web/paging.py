"""Paging through what is too long for one page, without loading it all."""

from __future__ import annotations

import streamlit as st

from app.web import markup
from app.web.texts import words


def offset(key: str, total: int, per_page: int) -> int:
    """Where the page in view begins; drawn back when there is less than there was."""
    last = max(0, (total - 1) // per_page)
    st.session_state[key] = min(st.session_state.get(key, 0), last)
    return int(st.session_state[key]) * per_page


def controls(key: str, total: int, per_page: int, *, exact: bool = True) -> None:
    """Buttons for the page before and after, and what is in view; nothing where all fits one page.

    Args:
        key: Which list.
        total: How long it is.
        per_page: How much is in view.
        exact: `total` is known; else only that there are at least so many.
    """
    if total <= per_page:
        return
    first = offset(key, total, per_page)
    until = min(first + per_page, total)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(words.previous, key=f"{key}_back", disabled=first == 0, on_click=_move, args=(key, -1))
        st.button(words.following, key=f"{key}_on", disabled=until >= total, on_click=_move, args=(key, 1))
        sentence = words.page_of if exact else words.page_only
        shown = sentence.format(first=f"{first + 1:,}", last=f"{until:,}", total=f"{total:,}")
        st.html(f'<p class="kf kf-file">{markup.text(shown)}</p>')


def restart(key: str) -> None:
    """Back to the first page."""
    st.session_state[key] = 0


def _move(key: str, by: int) -> None:
    st.session_state[key] = max(0, st.session_state.get(key, 0) + by)
