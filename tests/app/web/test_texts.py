"""The sentences: the same names and gaps in every language, and the language of whoever looks."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter

import pytest
from streamlit.testing.v1 import AppTest

from app.web import texts
from app.web.texts import CHOSEN, LANGUAGES, NAMES, Chinese, English, preferred, words
from pipeline import errors
from tests.app.web.conftest import Page, photo, seen
from tests.fakes import RED

_ROOT = Path(__file__).parents[3]


def sentences(language: English) -> dict[str, str]:
    """Every text by its name; those in lists and dicts by their place."""
    found: dict[str, str] = {}
    for name in sorted(dir(language)):
        value = getattr(language, name)
        if name.startswith("_") or callable(value):
            continue
        if isinstance(value, str):
            found[name] = value
        elif isinstance(value, dict):
            found |= {f"{name}.{key}": text for key, text in value.items()}
        else:
            found |= {f"{name}.{place}": text for place, text in enumerate(value)}
    return found


def gaps(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_every_language_has_the_same_names_and_gaps() -> None:
    english, chinese = sentences(LANGUAGES["en"]), sentences(LANGUAGES["zh"])
    frames = {name for name in chinese if name.startswith("errors.")}
    assert set(english) == set(chinese) - frames
    assert len(english) > 150
    for name, sentence in english.items():
        assert gaps(sentence) == gaps(chinese[name]), name
    assert {name.removeprefix("errors.") for name in frames} <= {
        cls.code for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.KnownfaceError)
    }


_SAME = {"product", "consent_bases"}


def test_every_sentence_is_translated() -> None:
    english, chinese = sentences(LANGUAGES["en"]), sentences(LANGUAGES["zh"])
    left = [name for name, text in english.items() if text and text == chinese[name] and name not in _SAME]
    assert left == []
    unlike = [name for name, text in chinese.items() if text and not re.search(r"[\u4e00-\u9fff–，：]", text)]
    assert set(unlike) <= {"product", "html_lang"}
    assert not [name for name, text in english.items() if re.search(r"[\u4e00-\u9fff]", text)]


def test_each_page_has_its_own_names() -> None:
    """Two pages with one name would take each other's sentence."""
    for language in (English, Chinese):
        own = [name for part in language.__bases__ for name in vars(part) if not name.startswith("_")]
        assert len(own) == len(set(own))
        assert set(own) <= set(dir(language))


def test_every_action_of_the_log_has_words() -> None:
    written = set()
    for file in (*_ROOT.glob("app/**/*.py"), *_ROOT.glob("pipeline/**/*.py")):
        for call in (one for one in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(one, ast.Call)):
            named = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if named in {"Note", "record", "_begin"} and call.args and isinstance(call.args[0], ast.Constant):
                written.add(call.args[0].value)
    assert {"enrol_undo", "verify", "vault_open", "vault_init"} <= written, "they are found in the source"
    for language in LANGUAGES.values():
        assert written <= set(language.audit_actions)


@pytest.mark.parametrize(
    ("tags", "language"),
    [("zh-CN", "zh"), ("zh-Hant-TW", "zh"), ("de-DE,zh;q=0.8,en;q=0.7", "zh"), ("en-US,zh", "en"), ("", "en")],
)
def test_the_browser_chooses(tags: str, language: str) -> None:
    assert preferred(tags) == language


def test_outside_of_a_session_it_is_english() -> None:
    assert words.enrol == "Enrol"
    assert words.photos(1) == "1 photo"
    assert words.photos(3) == "3 photos"


def test_a_session_may_choose_another(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    at = page("verify")
    assert at.title[0].value == "Verify"
    at.session_state[CHOSEN] = "zh"
    at.file_uploader(key="verify_a_file").set_value(("x.jpg", b"no photo", "image/jpeg"))
    at.file_uploader(key="verify_b_file").set_value(photo(RED))
    at.run()
    assert not at.exception
    assert at.title[0].value == "比对"
    assert "不是支持的照片格式 x.jpg" in seen(at)
    monkeypatch.setattr(texts, "preferred", lambda _: "zh")
    assert AppTest.from_string("from app.web import page_gallery as p\np.show()").run().title[0].value == "人员库"


def test_a_language_says_its_own_name() -> None:
    assert set(NAMES) == set(LANGUAGES)
