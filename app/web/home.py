"""The web page's frame: who looks, in which language, and which page to draw; each stands in a file of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).resolve().parent
_ROOT = str(_HERE.parent.parent)
if _ROOT not in sys.path:  # a clone that is not installed; at the end, so that nothing here hides another package
    sys.path.append(_ROOT)


def main() -> None:
    """Draws the frame and the page that the address names."""
    from app.web import frame, state
    from app.web.texts import words

    icon = _HERE / "icon.svg"
    st.set_page_config(page_title=words.product, page_icon=icon, layout="centered")
    st.logo(icon, size="large")
    st.html(_HERE / "style.css")
    with state.sentences():
        frame.draw(state.actor())


main()
