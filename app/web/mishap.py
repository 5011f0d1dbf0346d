"""What a reader sees of an error that nobody foresaw: a sentence, never a traceback."""

from __future__ import annotations

import logging
import traceback

import streamlit as st

from app.web import markup
from app.web.texts import words

_LOG = logging.getLogger("knownface.web")


def say_so(error: Exception) -> bool:
    """Draws the sentence; True, so that Streamlit draws nothing of its own.

    The server's log gets the kind of error and where it was raised, and not its message, which may hold names.
    """
    places = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("an error nobody foresaw, %s, raised at\n%s", type(error).__name__, places)
    st.html(markup.note("bad", markup.text(words.unexpected)))
    return True
