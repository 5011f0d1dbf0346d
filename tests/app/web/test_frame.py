"""The frame around the pages: the entry script, missing models, settings, the theme."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit import config as streamlit_config
from streamlit.testing.v1 import AppTest

from app.services import Services
from app.web import state, theme
from pipeline.images import Photo
from pipeline.recognizer import Faces, Recognizer
from tests.app.web.conftest import photo, said, seen
from tests.fakes import RED

HOME = Path(state.__file__).with_name("home.py")


@pytest.fixture
def fresh() -> None:
    state.shared.clear()


@pytest.mark.usefixtures("fresh")
def test_without_models_every_page_names_the_one_command(isolated_home: Path) -> None:
    at = AppTest.from_file(str(HOME), default_timeout=180).run()
    assert not at.exception
    assert "The models are not installed yet" in seen(at)
    assert at.code[0].value == "knownface models pull"
    for name in ("enrol", "verify", "identify"):
        at = AppTest.from_string(f"from app.web import page_{name} as p\np.show()", default_timeout=180).run()
        assert not at.exception
        assert at.code[0].value == "knownface models pull"
    at = AppTest.from_string("from app.web import page_gallery as p\np.show()", default_timeout=180).run()
    assert not at.exception
    assert not at.code, "listing and erasing people takes no model"


@pytest.mark.usefixtures("fresh")
def test_settings_that_cannot_be_used_are_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("workers = 'many'\n")
    monkeypatch.setenv("KNOWNFACE_CONFIG", str(file))
    at = AppTest.from_file(str(HOME), default_timeout=180).run()
    assert not at.exception
    assert "settings.toml" in seen(at)


def test_an_error_of_the_system_is_a_sentence(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(services.gallery), "subjects", full)
    monkeypatch.setattr(type(services.gallery), "__len__", lambda _: 3)
    at = AppTest.from_string("from app.web import page_gallery\npage_gallery.show()", default_timeout=180).run()
    assert not at.exception
    assert "No space left on device" in seen(at)
    assert 'role="alert"' in said(at)


def test_the_theme_uses_options_that_streamlit_has() -> None:
    known = {template.env_var for template in streamlit_config._config_options_template.values()}
    assert set(theme.environment()) <= known


def test_no_file_beside_the_entry_script_hides_a_package() -> None:
    """`streamlit run` puts app/web first on sys.path."""
    beside = {path.stem for path in HOME.parent.iterdir()}
    packages = {"app", "pipeline", "training", "weights", "data", "scripts", "tests", "docs", "streamlit", "numpy"}
    assert not beside & packages


def test_large_photos_are_decoded_one_at_a_time(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    analyse, taken = type(services.recognizer).analyse, []

    def watched(recognizer: Recognizer, opened: Photo) -> Faces:
        taken.append(state._LARGE.locked())
        return analyse(recognizer, opened)

    monkeypatch.setattr(type(services.recognizer), "analyse", watched)
    name, data, _ = photo(RED)
    upload = SimpleNamespace(file_id="1", name=name, size=len(data), getvalue=lambda: data)
    assert state._look(services, upload).faces is not None
    monkeypatch.setattr(state, "_LARGE_PIXELS", 100)
    assert state._look(services, upload).faces is not None
    assert taken == [False, True]
    assert not state._LARGE.locked()
    assert state._SLOTS._free == 2
