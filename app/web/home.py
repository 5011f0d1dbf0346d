"""The web page, as `knownface web` starts it: chooses which page to draw; each stands in a file of its own."""

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
    from app.web import page_enrol, page_gallery, page_identify, page_start, page_verify
    from app.web.texts import words

    icon = _HERE / "icon.svg"
    st.set_page_config(page_title=words.product, page_icon=icon, layout="centered")
    st.logo(icon, size="large")
    st.html(_HERE / "style.css")
    pages = {
        "enrol": st.Page(page_enrol.show, title=words.enrol, url_path="enrol"),
        "verify": st.Page(page_verify.show, title=words.verify, url_path="verify"),
        "identify": st.Page(page_identify.show, title=words.identify, url_path="identify"),
        "gallery": st.Page(page_gallery.show, title=words.gallery, url_path="gallery"),
    }
    start = st.Page(lambda: page_start.show(pages), title=words.start, url_path="start", default=True)
    st.navigation([start, *pages.values()], position="top").run()


main()
