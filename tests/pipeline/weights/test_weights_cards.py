"""Cards: those that come along, those that cannot be right, and hostile ones."""

from __future__ import annotations

import json
import os
import time
import tomllib
from pathlib import Path

import pytest
from weights_helpers import FACE, FREE, card_of, embedder

from pipeline.errors import (
    CardError,
    ConfigError,
)
from pipeline.types import OperatingPoint
from pipeline.weights import Card, ModelStore, load_cards
from pipeline.weights.choice import write_choice
from pipeline.weights.toml_out import to_toml

DATA = embedder()


def point_of(model_id: str) -> OperatingPoint:
    return OperatingPoint(
        task="verify",
        threshold=0.3,
        fmr=0.01,
        fnmr=0.02,
        non_mated=900,
        mated=100,
        fmr_upper=0.02,
        model_id=model_id,
        measured_on='"test" data',
    )


def test_the_cards_that_come_along_are_sound() -> None:
    cards = load_cards()
    assert {"yunet.2023mar", "sface.2021dec", "onet.mtcnn", "scrfd.buffalo_l", "arcface.buffalo_l"} <= set(cards)
    for name in ("yunet.2023mar", "sface.2021dec", "onet.mtcnn"):
        card = cards[name]
        assert card.licence.commercial_use
        assert card.sources[0].kind == "package"
        assert card.sources[0].result_sha256
    for card in cards.values():
        assert card.pack == "" or not card.licence.commercial_use
        assert card.licence.training_data


def test_the_installed_models_are_those_of_their_cards(models_home: Path) -> None:
    store = ModelStore(models_home / "models")
    for name in ("yunet.2023mar", "sface.2021dec", "onet.mtcnn"):
        model = store.verify(name)
        assert model.sha256 in {source.result_sha256 for source in model.card.sources}


def test_a_card_survives_being_written(tmp_path: Path) -> None:
    points = (point_of("sface.test@0123abcd"), point_of("sface.test@0123abcd+flip"))
    card = card_of(DATA, "https://example.invalid/ü.onnx", operating_points=points, provenance='a"b\\c☃')
    text = to_toml(card.model_dump(mode="json", exclude_defaults=True))
    assert Card.model_validate(tomllib.loads(text)) == card
    (tmp_path / "sface.test.toml").write_text(text, encoding="utf-8")
    assert Card.read(tmp_path / "sface.test.toml") == card


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("name = 3", "name"),
        ('name = "Upper.case"', "name"),
        ('name = "no_dot"', "name"),
        ('name = "../evil.x"', "name"),
        ("colour = 1", "colour"),
        ("dimension = -1", "dimension"),
        ("= broken", "not valid TOML"),
    ],
)
def test_an_invalid_card_says_where(tmp_path: Path, change: str, says: str) -> None:
    document = card_of(DATA).model_dump(mode="json", exclude_defaults=True)
    key = change.partition(" ")[0]
    file = tmp_path / "sface.test.toml"
    file.write_text(f"{change}\n" + to_toml({k: v for k, v in document.items() if k != key}))
    with pytest.raises(CardError, match=rf"sface\.test\.toml: .*{says}"):
        Card.read(file)


def test_cards_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dimension belongs to an embedder"):
        card_of(DATA, dimension=None)
    with pytest.raises(ValueError, match="operating point of other"):
        card_of(DATA, operating_points=(point_of("other.model@0123abcd"),))
    (tmp_path / "sface.other.toml").write_text(to_toml(card_of(DATA).model_dump(mode="json", exclude_defaults=True)))
    with pytest.raises(CardError, match=r"name the file sface\.test\.toml"):
        Card.read(tmp_path / "sface.other.toml")
    with pytest.raises(CardError, match="cannot be read"):
        Card.read(tmp_path / "none.toml")


def test_sizes_and_licences_are_plain() -> None:
    assert not FACE.dynamic_size
    assert FREE.commercial_use
    assert json.loads(card_of(DATA).model_dump_json())["licence"]["weights"] == "MIT"


@pytest.mark.parametrize("text", ["\x1b[2Jfree", "a\nb", "\u202etim", "\x9b31m"])
def test_a_card_has_no_control_characters(text: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        FREE.model_validate({**FREE.model_dump(), "weights": text})
    with pytest.raises(ValueError, match="control characters"):
        card_of(DATA, title=text)


@pytest.mark.parametrize(
    ("text", "says"), [("a = " + "[" * 5000, "nested too deeply"), ("# " + "x" * (1 << 20), "more than")]
)
def test_a_hostile_card_is_a_named_error(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "sface.test.toml").write_text(text)
    for read in (lambda: Card.read(tmp_path / "sface.test.toml"), lambda: load_cards((tmp_path,))):
        with pytest.raises(CardError, match=says):
            read()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_a_card_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sface.test.toml")
    with pytest.raises(CardError, match="pipe"):
        Card.read(tmp_path / "sface.test.toml")


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "\n" * 100_000 + "a = 1\n"])
def test_a_choice_meets_hostile_settings(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    if "[" in text:
        with pytest.raises(ConfigError, match=r"nested too deeply.*mend it first"):
            write_choice(file, {"refiner": "none"})
    else:
        started = time.perf_counter()
        write_choice(file, {"refiner": "none"})
        assert time.perf_counter() - started < 2
        assert tomllib.loads(file.read_text()) == {"a": 1, "refiner": "none"}
