"""docs/images/architecture.svg is what `python -m scripts.drawing` draws from the code."""

from __future__ import annotations

import tomllib
from xml.etree import ElementTree

import pytest

from scripts import drawing


def test_the_drawing_is_current() -> None:
    assert drawing.FILE.read_text(encoding="utf-8") == drawing.drawing(), "run: python -m scripts.drawing"


def test_every_layer_and_contract_is_in_it() -> None:
    root = ElementTree.fromstring(drawing.drawing())  # noqa: S314 - written here
    texts = [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]
    contracts = tomllib.loads((drawing.ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    ladder = contracts[1]["layers"]
    for layer in ladder:
        names = " · ".join(part.strip().removeprefix("pipeline.") for part in layer.split("|"))
        assert names in texts
    flat = " ".join(texts)
    for contract in contracts:
        if contract["type"] == "forbidden":
            assert contract["name"] in flat


def test_what_passes_comes_from_the_annotations() -> None:
    assert drawing._returned(drawing._PROTOCOLS, "Embedder.embed") == "Templates"
    assert drawing._returned("pipeline/decide.py", "decide_photo") == "Decision"
    assert drawing._returned(drawing._PROTOCOLS, "Session.run") == ""


def test_a_protocol_without_a_box_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_STAGES", [stage for stage in drawing._STAGES if stage.title != "embed"])
    with pytest.raises(LookupError, match="Embedder"):
        drawing.drawing()


def test_what_is_gone_from_the_code_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"no Recognizer\.guess"):
        drawing._returned("pipeline/recognizer.py", "Recognizer.guess")
