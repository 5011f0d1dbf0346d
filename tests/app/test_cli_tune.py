"""`knownface gallery tune` and what `gallery stats` says of the index."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from app.cli.main import main
from pipeline.build import embedder_identity
from pipeline.calibration.records import KIND, to_document
from pipeline.config import Settings
from pipeline.gallery import Gallery, NewSample
from tests.fakes import points


@pytest.fixture
def large(tmp_path, models_home, monkeypatch):
    """A gallery that counts as large: 300 people with a made-up template each."""
    for place in ("faiss_index", "tuning"):
        monkeypatch.setattr(f"pipeline.gallery.{place}.SEALED", 64)
    monkeypatch.setattr("pipeline.gallery.tuning.FIRST", (64,))
    monkeypatch.setattr("pipeline.gallery.tuning.PAYS", 1e-9)
    monkeypatch.setattr("pipeline.gallery.shortlist._WORTHWHILE", 1)
    rng = np.random.default_rng(0)
    model_id, dimension = embedder_identity(Settings())
    with Gallery.open(tmp_path / "gallery", model_id, dimension) as gallery:
        rows = rng.standard_normal((300, dimension)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        box, points = (0.0, 0.0, 9.0, 9.0), np.zeros((5, 2), np.float32)
        gallery.enrol_many(
            [
                (f"s{n}", NewSample(f"{n}.jpg", f"{n:064}", box, points, 0.9, (9, 9), row, 1.0))
                for n, row in enumerate(rows)
            ]
        )
    return tmp_path / "gallery"


def run(capsys, *arguments):
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def test_tune_measures_chooses_and_stats_says_so(large, capsys):
    code, out, err = run(capsys, "--gallery", large, "--json", "gallery", "tune", "--probes", 60)
    chosen = json.loads(out)
    assert code == 0
    assert chosen["method"] == "rabitq"
    assert chosen["evidence"]["probes"] == 60
    assert [row["method"] for row in chosen["evidence"]["candidates"]] == ["exact"] + 3 * ["rabitq"]
    assert "300 templates" in err
    code, out, _ = run(capsys, "--gallery", large, "--json", "gallery", "stats")
    assert json.loads(out)["index"]["method"] == "rabitq"
    assert json.loads(out)["index_bytes"] > 0


def test_tune_serves_the_threshold_of_the_gallerys_own_calibration(large, capsys):
    model_id, dimension = embedder_identity(Settings())
    card = json.loads(run(capsys, "--gallery", large, "--json", "gallery", "tune", "--probes", 60)[1])
    own = replace(points(0.771, model_id)[1], gallery_size=300, source="calibration", basis="2026-01-01 on 300 people")
    with Gallery.open(large, model_id, dimension) as gallery:
        gallery.put_document(KIND, to_document([own]))
    code, out, _ = run(capsys, "--gallery", large, "--json", "gallery", "tune", "--probes", 60)
    assert code == 0
    assert json.loads(out)["evidence"]["threshold"] == 0.771 != card["evidence"]["threshold"]


def test_tune_for_people(large, capsys):
    code, out, err = run(capsys, "--gallery", large, "gallery", "tune", "--probes", 60)
    assert code == 0
    assert "the index is compressed" in out
    assert "recall enrolled" in out
    assert "trying codes" in err
    assert "trying codes" not in out


def test_a_small_gallery_stays_exact(tmp_path, models_home, capsys):
    code, out, _ = run(capsys, "--gallery", tmp_path / "new", "--json", "gallery", "tune")
    assert code == 0
    assert json.loads(out)["method"] == "exact"


def test_a_target_that_cannot_be_is_a_usage_error(tmp_path, models_home, capsys):
    assert run(capsys, "--gallery", tmp_path / "new", "gallery", "tune", "--target-recall", "2")[0] == 2
