"""Names and file names of users are shown as text: no HTML, no Markdown, on any page."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from app.web import markup
from app.web.texts import words
from tests.app.web.conftest import Page, photo, said, seen
from tests.fakes import RED

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "**bold**",
    "[x](javascript:alert(1))",
    "![x](https://example.org/p.png)",
    ":smile: :material/home: :red[x]",
    "$x^2$",
    "{name} {0}",
    "&lt;b&gt;",
]


def widget_texts(at: AppTest) -> str:
    """Everything that Streamlit may read as Markdown: labels, alerts, headings, captions, help."""
    kinds = ("markdown", "caption", "title", "subheader", "error", "warning", "info", "success", "button")
    kinds += ("download_button", "expander", "radio", "selectbox", "text_input", "file_uploader", "toast")
    found = []
    for kind in kinds:
        for element in at.get(kind):
            proto = getattr(element, "proto", None)
            found += [str(getattr(proto, field, "")) for field in ("body", "label", "help")]
    return "\n".join(found)


def check(at: AppTest, name: str) -> None:
    assert not at.exception
    assert name in seen(at)
    assert escape(name, quote=True) in said(at)
    assert name not in widget_texts(at)
    if "<" in name:
        assert name not in said(at)


@pytest.mark.parametrize("name", NASTY)
def test_names_and_file_names_on_every_page(page: Page, enrolled: Callable, name: str) -> None:
    enrolled(name, RED)
    file = photo(RED, name=f"{name}.png".replace("/", "-"), note=77)
    at = page("enrol")
    at.file_uploader[0].set_value([file])
    at.run()
    check(at, name)  # "already here as ...?"
    at.text_input(key="enrol_name").set_value(name).run()
    check(at, name)
    at.button(key="enrol_go").click().run()
    check(at, name)
    at = page("identify")
    at.file_uploader[0].set_value([file])
    check(at.run(), name)
    at = page("verify")
    at.file_uploader(key="verify_a_file").set_value(file)
    assert file[0] in seen(at.run())
    at = page("gallery")
    check(at, name)
    check(at.button(key="open_0").click().run(), name)
    check(at.button(key="remove_ask").click().run(), name)


@given(st.text())
def test_whatever_the_text_it_opens_no_element(value: str) -> None:
    made = markup.fill(words.removed, name=value, count=value)
    assert made.count("<") == 4  # two <bdi>
    assert '"' not in made.replace('dir="auto"', "")
