"""`knownface export` on a small network and made-up faces: what it writes, and what it refuses to leave behind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from pipeline.config import Settings
from pipeline.export import graph, precision
from pipeline.images import open_photo
from pipeline.runtime import load_session
from pipeline.stage_models import build_embedder
from pipeline.types import AlignedFaces, OperatingPoint
from pipeline.weights import Card, ModelStore
from tests.commands import Cli, runner
from tests.networks import NAME, card, write_card, write_faces, write_network

Break = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return runner(capsys)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("faces") / "crops", people=12, photos=6)


@pytest.fixture
def source(cli: Cli, tmp_path: Path) -> Card:
    """An installed model with an operating point."""
    file = write_network(tmp_path / "source" / f"{NAME}.onnx")
    model_id = f"{NAME}@{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}"
    point = OperatingPoint(
        task="verify",
        threshold=0.87,
        fmr=0.001,
        fnmr=0.1,
        non_mated=900,
        mated=90,
        fmr_upper=0.01,
        model_id=model_id,
        measured_on="made-up people",
        target=1e-3,
        basis="made up",
    )
    write_card(file.with_suffix(".toml"), card(points=(point,)))
    assert cli("models", "add", file).code == 0
    return ModelStore(Settings.load().models_dir).installed(NAME).card


@pytest.fixture
def export(cli: Cli, source: Card, photos: Path, tmp_path: Path) -> Cli:
    both = ("--aligned", "--parity-photos", photos)
    return lambda *words: cli("export", NAME, "--out", tmp_path / "out", *both, *words)


@pytest.mark.parametrize(
    ("words", "suffix"),
    [
        (("--precision", "fp32"), "fp32"),
        (("--precision", "fp16", "--fold-preprocessing"), "fp16-folded"),
        (("--precision", "int8"), "int8"),
        (("--precision", "int8", "--dynamic"), "int8-dynamic"),
        (("--precision", "int8", "--fold-preprocessing"), "int8-folded"),
    ],
)
def test_an_export_is_installed_and_recognises(
    export: Cli, cli: Cli, photos: Path, tmp_path: Path, words: tuple[str, ...], suffix: str
) -> None:
    if "int8" in words and "--dynamic" not in words:
        words = (*words, "--calibration-photos", str(photos))
    result = export(*words, "--json")
    assert result.code == 0, result.err
    document, name = result.document, f"{NAME}-{suffix}"
    assert (document["name"], document["passed"], document["problems"]) == (name, True, [])
    written = {file.name for file in (tmp_path / "out").iterdir()}
    assert written == {name + end for end in (".onnx", ".toml", ".parity.json", ".parity.md", ".parity.html")}
    assert set(document["parity"]["exported"]) == {f"{r}/cpu {words[1]}" for r in ("onnxruntime", "openvino")}
    assert [row["batch"] for row in document["timing"]] == [1, 32]
    assert all(len(row["ms_per_face"]) == 3 for row in document["timing"])
    added = cli("--json", "models", "add", tmp_path / "out" / f"{name}.onnx")
    assert added.code == 0, added.err
    store = ModelStore(Settings.load().models_dir)
    installed = store.installed(name)
    assert installed.model_id == document["model_id"]
    assert installed.card.precision == words[1]
    assert installed.card.parity is not None
    assert installed.card.parity.source == document["source"]["model_id"]
    faces = np.stack([open_photo(file).pixels() for file in sorted(photos.rglob("*.png"))[:8]])
    embedders = [build_embedder(m.card, load_session(m), m.model_id) for m in (installed, store.installed(NAME))]
    assert embedders[0].runtime.endswith(f"/cpu {words[1]}")
    one, other = (e.embed(AlignedFaces(faces, np.zeros((8, 2, 3), np.float32))).vectors for e in embedders)
    assert np.vecdot(one, other).min() > 0.98


def test_calibration_faces_are_none_of_the_report(export: Cli, photos: Path) -> None:
    document = export("--precision", "int8", "--calibration-photos", photos, "--json").document
    assert document["calibration"] == {"faces": 18, "people": 3, "data": "crops"}
    assert (document["parity"]["faces"], document["parity"]["people"]) == (54, 9)


def test_the_card_says_whose_operating_points_it_has(export: Cli, source: Card, tmp_path: Path) -> None:
    document = export("--precision", "fp16", "--json").document
    made = Card.read(tmp_path / "out" / f"{NAME}-fp16.toml")
    (point,) = made.operating_points
    assert point.threshold == source.operating_points[0].threshold
    assert point.model_id == document["model_id"]
    assert point.measured_on.startswith(f"carried over from {document['source']['model_id']}, not measured anew")
    assert "carried over" in point.origin
    assert made.licence == source.licence
    assert "exported from" in made.provenance
    assert document["parity"]["operating_point"]["threshold"] == 0.87


def test_nothing_tells_where_it_was_made(export: Cli, tmp_path: Path) -> None:
    assert export("--precision", "fp16").code == 0
    out = tmp_path / "out"
    facts = {entry.key: entry.value for entry in onnx.load(out / f"{NAME}-fp16.onnx").metadata_props}
    assert facts["knownface.source_model_id"].startswith(f"{NAME}@")
    for file in (out / f"{NAME}-fp16.onnx", out / f"{NAME}-fp16.toml"):
        assert b"/home" not in file.read_bytes()
        assert str(tmp_path).encode() not in file.read_bytes()


def wrong_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    right = graph.fold
    monkeypatch.setattr(graph, "fold", lambda m, prep: right(m, prep.model_copy(update={"colour": "bgr"})))


def no_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    right = graph.fold
    nothing = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    monkeypatch.setattr(graph, "fold", lambda m, prep: right(m, prep.model_copy(update=nothing)))


def saturated_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    """Activations clip at an eighth of their range, as from a calibration on pictures that are no faces."""
    right = precision.to_int8

    def wrong(model: Any, faces: Any) -> Any:
        made = right(model, faces)
        scales = {node.input[1] for node in made.graph.node if node.op_type == "QuantizeLinear"}
        for entry in made.graph.initializer:
            if entry.name in scales:
                values = onnx.numpy_helper.to_array(entry)
                entry.CopyFrom(onnx.numpy_helper.from_array((values / 8).astype(np.float32), entry.name))
        return made

    monkeypatch.setattr(precision, "to_int8", wrong)


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        (wrong_colours, ("--precision", "fp32", "--fold-preprocessing")),
        (no_normalisation, ("--precision", "fp16", "--fold-preprocessing")),
        (saturated_scales, ("--precision", "int8")),
    ],
)
def test_a_broken_export_is_refused_and_leaves_only_the_report(
    export: Cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: Break, words: tuple[str, ...]
) -> None:
    words = (*words, "--name", "arcface.new", *(("--calibration-photos", str(photos)) if "int8" in words else ()))
    assert export(*words, "--install").code == 0, "the same export passes when nothing is broken"
    models = ModelStore(Settings.load().models_dir)
    kept = models.installed("arcface.new").model_id
    breaks(monkeypatch)
    result = export(*words, "--install", "--json")
    assert result.code == 3
    assert result.document["error"] == "export_refused"
    assert "mean cosine" in result.document["message"]
    assert result.err.count("knownface: ") == 1
    left = {file.name for file in (tmp_path / "out").iterdir()}
    assert left == {f"arcface.new.parity.{end}" for end in ("json", "md", "html")}, "nor that of the export before"
    document = json.loads((tmp_path / "out" / "arcface.new.parity.json").read_text(encoding="utf-8"))
    assert document["passed"] is False
    assert document["problems"]
    page = (tmp_path / "out" / "arcface.new.parity.html").read_text(encoding="utf-8")
    assert "REFUSED" in page
    assert document["problems"][0].split(":")[0] in page
    assert ModelStore(Settings.load().models_dir).installed("arcface.new").model_id == kept


def test_the_tolerance_is_the_users(export: Cli) -> None:
    words = ("--precision", "int8", "--dynamic")
    assert export(*words, "--min-mean-cosine", "1", "--json").document["error"] == "export_refused"
    assert export(*words, "--min-mean-cosine", "0.5", "--max-flips", "100000").code == 0


def test_only_listed_pairs_are_compared(export: Cli, photos: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("a,b,mated\np00/0.png,p00/1.png,1\np00/0.png,p01/1.png,0\np02/0.png,p03/1.png,0\n")
    parity = export("--precision", "fp16", "--parity-pairs", pairs, "--json").document["parity"]
    assert (parity["mated"], parity["non_mated"], parity["faces"]) == (1, 2, 72)


def test_the_report_in_words(export: Cli, tmp_path: Path) -> None:
    result = export("--precision", "fp16")
    assert "decides like arcface.tiny@" in result.out
    assert "TAR at fixed FMR" in result.out
    assert "knownface models add" in result.err
    text = (tmp_path / "out" / f"{NAME}-fp16.parity.md").read_text(encoding="utf-8")
    page = (tmp_path / "out" / f"{NAME}-fp16.parity.html").read_text(encoding="utf-8")
    for words in ("re-fitted threshold", "ms per face", "largest score change", "opset"):
        assert words in text
        assert words in page
    assert page.count("<svg") == 2
    assert "<script" not in page


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--name", "No Name"), "is no name for a model"),
        (("--precision", "int8"), "--calibration-photos DIR"),
    ],
)
def test_what_cannot_be_done_is_said(export: Cli, words: tuple[str, ...], says: str) -> None:
    result = export(*words, "--json")
    assert (result.code, result.document["error"]) == (3, "config_invalid")
    assert says in result.document["message"]


def test_calibration_goes_with_int8(export: Cli, photos: Path) -> None:
    assert export("--precision", "fp16", "--dynamic").code == 2
    assert export("--precision", "fp16", "--calibration-photos", photos).code == 2


def test_only_single_embedders_that_were_not_exported(export: Cli, cli: Cli, photos: Path, tmp_path: Path) -> None:
    assert export("--precision", "fp16", "--install").code == 0
    again = cli("--json", "export", f"{NAME}-fp16", "--out", tmp_path / "out", "--aligned", "--parity-photos", photos)
    assert (again.code, again.document["error"]) == (3, "card_invalid")
    assert "export the model it was made from" in again.document["message"]
    assert cli("--json", "export", "no.such", "--out", tmp_path / "out").document["error"] == "card_invalid"


def test_int8_says_which_photos_are_missing(cli: Cli, source: Card, photos: Path, tmp_path: Path) -> None:
    words = ("--json", "export", NAME, "--out", tmp_path / "out", "--precision", "int8")
    said = cli(*words, "--aligned", "--parity-photos", photos).document["message"]
    assert said.startswith("no photos to calibrate int8 with: ")
    assert "--calibration-photos DIR" in said
    said = cli(*words, "--aligned", "--calibration-photos", photos).document["message"]
    assert said.startswith("no photos to compare on: ")
    assert "--parity-photos DIR" in said
