"""`knownface models compare`: who would be decided differently, as pictures and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from test_in_use import NEW, OLD, OtherEmbedder, points_of

import app.compare_models
import pipeline.build
from app.cli.main import main
from pipeline.gallery import Gallery
from pipeline.recognizer import Recognizer
from tests import fakes

COLOURS = {"Ada": fakes.RED, "Bob <b>": fakes.GREEN}


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolated_home: Path) -> Gallery:
    """With templates of both models; that of Bob's by the new one is of another face."""
    both = Recognizer(fakes.FakeDetector(), None, fakes.FakeAligner(), OtherEmbedder()), fakes.FakeEmbedder()
    monkeypatch.setattr(app.compare_models, "build_with_second", lambda *_: both)
    monkeypatch.setattr(app.compare_models, "operating_points", points_of)
    monkeypatch.setattr(
        pipeline.build,
        "embedder_identity",
        lambda s: (s.embedder + "@11111111", 16 if s.embedder == NEW.embedder else 32),
    )
    made = Gallery.open(isolated_home / "gallery", OLD.model_id, OLD.dimension)
    for name, colour in COLOURS.items():
        sample = fakes_sample(name, colour)
        made.enrol(name, [sample])
    made.keep_model()
    return made


def fakes_sample(name: str, colour: tuple[int, int, int]) -> object:
    from pipeline.gallery import NewSample

    points = fakes.detections_at([(0, 0, 40, 60)]).landmarks[0]
    place = {"source": name, "photo_sha256": f"{colour[0]:064d}", "box": (0.0, 0.0, 40.0, 60.0), "landmarks": points}
    return NewSample(**place, confidence=0.9, image_hw=(60, 40), vector=fakes.vector_of(colour), norm=9.0)  # type: ignore[arg-type]


def prepare(gallery: Gallery) -> None:
    work = gallery.switching()
    colours = {"Ada": fakes.RED, "Bob <b>": fakes.YELLOW}
    rows = work.waiting(NEW.model_id, limit=9)
    work.add(NEW, [(row.key, 1.0, fakes.vector_of(("other", *colours[row.subject]), 16)) for row in rows], {})


def test_who_is_decided_differently(
    gallery: Gallery, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(gallery)
    fakes.write_bars(tmp_path / "probes" / "party.png", fakes.RED, fakes.GREEN, fakes.BLUE)
    (tmp_path / "probes" / "damaged.png").write_bytes(b"no")
    words = ["models", "compare", OLD.embedder, NEW.embedder, "--probes", str(tmp_path / "probes")]
    assert main([*words, "--out", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["faces"], told["different"], told["changes"]) == (3, 1, {"match to unknown": 1})
    assert (told["old"]["model_id"], told["new"]["model_id"]) == (OLD.model_id, NEW.model_id)
    (pair,) = told["differing"]
    assert (pair["face"], pair["change"]) == (2, "Bob <b> → (unknown)")
    assert (pair["old"]["subject"], pair["new"]["subject"]) == ("Bob <b>", None)
    assert (pair["old"]["model_id"], pair["new"]["model_id"]) == (OLD.model_id, NEW.model_id)
    assert [error["error"] for error in told["errors"]] == ["photo_format"]
    assert json.loads((tmp_path / "out" / "compare.json").read_text()) == told
    page = (tmp_path / "out" / "compare.html").read_text()
    assert page.count("<article>") == page.count("data:image/jpeg;base64,") == 1
    assert "Bob &lt;b&gt;" in page
    assert "Bob <b>" not in page
    assert not re.search(r"<script|https?://|src=\"(?!data:)", page)
    assert gallery.in_use() is not None
    assert gallery.in_use().model == OLD, "nothing is switched"  # type: ignore[union-attr]
    assert main(words) == 0
    assert "1 of 3 faces would be decided differently" in capsys.readouterr().out


def test_a_model_nobody_was_embedded_with(gallery: Gallery, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fakes.write_bars(tmp_path / "probes" / "a.png", fakes.RED)
    assert main(["models", "compare", OLD.embedder, NEW.embedder, "--probes", str(tmp_path / "probes"), "--json"]) == 3
    assert "knownface models use other.unit --prepare" in json.loads(capsys.readouterr().out)["message"]
