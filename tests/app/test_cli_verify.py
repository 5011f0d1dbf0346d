"""`verify` as a contract: the exit code is the answer. Real models, sample photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.commands import Cli
from tests.fakes import write_bars


def test_verify_of_one_person_exits_0(cli: Cli, obama: list[Path]) -> None:
    result = cli("--json", "verify", *obama)
    assert result.code == 0
    document = result.document
    assert list(document)[:5] == ["decision", "score", "threshold", "model_id", "reason"]
    beside = {"probability", "log_likelihood_ratio", "operating_point", "runtime"}
    assert set(document) - set(list(document)[:5]) == beside
    assert document["runtime"] == dict.fromkeys(("detector", "refiner", "embedder"), "onnxruntime/cpu fp32")
    assert document["operating_point"] == "the model card, lfw-dev"
    assert document["probability"] > 0.9
    assert document["decision"] == "match"
    assert document["score"] >= document["threshold"]
    assert document["model_id"].startswith("sface.2021dec@")
    assert f"{document['score']:.3f}" in document["reason"]


def test_verify_of_two_people_exits_1(cli: Cli, obama: list[Path], sample_photos: Path) -> None:
    result = cli("verify", obama[0], sample_photos / "photos/rishi-sunak.jpg", "--json")
    assert result.code == 1
    assert result.document["decision"] == "non_match"
    assert result.document["score"] < result.document["threshold"]


def test_verify_for_people(cli: Cli, obama: list[Path]) -> None:
    result = cli("verify", *obama)
    assert result.code == 0
    assert result.out.startswith("match: ")
    assert len(result.out.splitlines()) == 1


@pytest.mark.parametrize("flag", ["--json", "--json-lines"])
@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: path.write_bytes(b"junk"), "photo_format"),
        (lambda path: path.write_bytes(b""), "photo_empty"),
        (lambda path: path.mkdir(), "photo_unreadable"),
        (lambda path: None, "photo_not_found"),
        (write_bars, "no_face"),
    ],
    ids=["junk", "empty", "folder", "missing", "faceless"],
)
def test_verify_of_no_photo_exits_3(
    cli: Cli, obama: list[Path], tmp_path: Path, make: Callable[[Path], object], code: str, flag: str
) -> None:
    bad = tmp_path / "bad.jpg"
    make(bad)
    for pair in ((obama[0], bad), (bad, obama[0])):
        result = cli(flag, "verify", *pair)
        assert result.code == 3
        assert set(result.document) == {"error", "message"}
        assert result.document["error"] == code
        assert str(bad) in result.document["message"]
        assert "\n" not in result.document["message"]


def test_an_error_for_people_is_one_line_on_stderr(cli: Cli, tmp_path: Path, models_home: Path) -> None:
    result = cli("verify", tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("knownface: ")
    assert len(result.err.splitlines()) == 1


def test_a_face_that_is_not_there(cli: Cli, obama: list[Path]) -> None:
    result = cli("--json", "verify", *obama, "--face-b", 2)
    assert (result.code, result.document["error"]) == (3, "several_faces")


def test_without_models_every_command_says_which_one_to_run(
    cli: Cli, obama: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KNOWNFACE_HOME", str(tmp_path / "new"))
    for command in (("verify", *obama), ("identify", obama[0]), ("enrol", "Ada", obama[0])):
        result = cli("--json", *command)
        assert (result.code, result.document["error"]) == (3, "model_missing")
        assert result.document["message"].endswith("run `knownface models pull`")
    assert cli("--json", "gallery", "list").document == {"subjects": []}, "listing and erasing take no model"


def test_verify_gives_the_score_that_evaluation_measures(cli: Cli, sample_photos: Path) -> None:
    """verify starts in ONNX Runtime and identify runs in the faster one: same faces, same score."""
    from app.evaluation import embed_photos
    from app.services import Services
    from pipeline.config import Settings

    names = ["barack-obama-2009.jpg", "barack-obama-2010.jpg"]
    vectors = embed_photos(Services(Settings.load()), sample_photos / "photos", names)
    score = float(np.dot(*(vectors[name] for name in names)))
    paths = [sample_photos / "photos" / name for name in names]
    assert cli("--json", "verify", *paths).document["score"] == pytest.approx(score, abs=1e-4)
    assert cli("--json", "verify", *paths, "--face-a", 1).document["score"] == pytest.approx(score, abs=1e-4)
