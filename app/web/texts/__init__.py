"""Every sentence of the web page, in one place: a file a page, each with the same names in every language.

`words.enrol_lead` is the sentence in the language of whoever looks: the one they chose, else their browser's, else
English. The sentences are plain text; `markup` escapes what is put into them. Those that label widgets hold no text of
users. A new page gets a file here with a class for each language, and a place in the two lists below.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.web.texts import (
    access,
    audit,
    batch,
    calibrate,
    challenge,
    enrol,
    everywhere,
    gallery,
    identify,
    models,
    start,
    unknowns,
    verify,
)

#: Where the language that was chosen stands in a session.
CHOSEN = "kf_language"


class English(
    everywhere.English,
    start.English,
    access.English,
    verify.English,
    enrol.English,
    identify.English,
    challenge.English,
    gallery.English,
    calibrate.English,
    models.English,
    unknowns.English,
    batch.English,
    audit.English,
):
    """The words of the page."""


class Chinese(
    everywhere.Chinese,
    start.Chinese,
    access.Chinese,
    verify.Chinese,
    enrol.Chinese,
    identify.Chinese,
    challenge.Chinese,
    gallery.Chinese,
    calibrate.Chinese,
    models.Chinese,
    unknowns.Chinese,
    batch.Chinese,
    audit.Chinese,
):
    """The same in Simplified Chinese."""


LANGUAGES: dict[str, English] = {"en": English(), "zh": cast("English", Chinese())}
#: What each language calls itself.
NAMES = {"en": "English", "zh": "中文"}


def preferred(tags: str | None) -> str:
    """The first language there is of a browser's list.

    >>> preferred("zh-TW"), preferred("fr, zh-CN;q=0.8"), preferred("en-GB,zh;q=0.5"), preferred(None)
    ('zh', 'zh', 'en', 'en')
    """
    for tag in (tags or "").split(",")[:20]:
        language = tag.split(";")[0].strip().lower().replace("_", "-").split("-")[0]
        if language in LANGUAGES:
            return language
    return "en"


_set: ContextVar[str | None] = ContextVar("language", default=None)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """In this block, the language is this one, whoever looks."""
    token = _set.set(code)
    try:
        yield
    finally:
        _set.reset(token)


def language() -> str:
    """The language of the session in which this runs; English outside of any."""
    if (fixed := _set.get()) is not None:
        return fixed
    if get_script_run_ctx(suppress_warning=True) is None:
        return "en"
    chosen = st.session_state.get(CHOSEN)
    return chosen if chosen in LANGUAGES else preferred(st.context.locale)


class _Spoken:
    def __getattr__(self, name: str) -> Any:
        return getattr(LANGUAGES[language()], name)


words: English = cast("English", _Spoken())
