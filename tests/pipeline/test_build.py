"""pipeline.build: from settings to stages, and which mistakes have a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.build import build_recognizer, embedder_identity, operating_points
from pipeline.config import Settings
from pipeline.embed import FLIP_SUFFIX
from pipeline.errors import CardError, ModelMissingError, NoOperatingPointError
from pipeline.images import open_photo


def test_the_default_stack(models_home: Path) -> None:
    recognizer = build_recognizer(Settings(home=models_home))
    assert recognizer.model_id.startswith("sface.2021dec@")
    assert recognizer.dimension == 128
    assert embedder_identity(Settings(home=models_home)) == (recognizer.model_id, 128)
    assert recognizer._refiner is not None


def test_settings_reach_the_stages(models_home: Path, sample_photos: Path) -> None:
    plain = build_recognizer(Settings(home=models_home))
    photo = open_photo(sample_photos / "photos/barack-obama-2009.jpg")
    found = plain.analyse(photo)
    assert len(found) == 1
    fused = build_recognizer(Settings(home=models_home, flip_fusion=True, refiner="none"))
    assert fused.model_id == plain.model_id + FLIP_SUFFIX
    assert fused._refiner is None
    assert embedder_identity(Settings(home=models_home, flip_fusion=True))[0] == fused.model_id
    confident = float(found.detections.confidences[0])
    strict = Settings(home=models_home, min_confidence=min(1.0, confident + 0.01))
    assert len(build_recognizer(strict).analyse(photo)) == 0
    side = float((found.detections.boxes[0, 2:] - found.detections.boxes[0, :2]).min())
    assert len(build_recognizer(Settings(home=models_home, min_face=1.5 * side)).analyse(photo)) == 0


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_runtime_that_is_named_serves_every_stage(models_home: Path, runtime: str) -> None:
    recognizer = build_recognizer(Settings(home=models_home, runtime=runtime))  # type: ignore[arg-type]
    for stage in (recognizer._detector, recognizer._refiner, recognizer._embedder):
        assert stage._session.runtime == f"{runtime}/cpu"  # type: ignore[union-attr]


def test_few_photos_start_in_onnx_runtime(models_home: Path) -> None:
    recognizer = build_recognizer(Settings(home=models_home), expect="few")
    assert recognizer._embedder._session.runtime == "onnxruntime/cpu"  # type: ignore[attr-defined]
    named = build_recognizer(Settings(home=models_home, runtime="openvino"), expect="few")
    assert named._embedder._session.runtime == "openvino/cpu"  # type: ignore[attr-defined]


def test_every_operating_point_of_the_card_is_of_this_very_model(models_home: Path) -> None:
    settings = Settings(home=models_home)
    offered = operating_points(settings)
    assert {point.task for point in offered} == {"verify", "identify"}
    assert {point.model_id for point in offered} == {embedder_identity(settings)[0]}
    for point in offered:
        assert point.fmr <= point.fmr_upper


def test_a_model_that_is_not_installed_names_the_command(isolated_home: Path) -> None:
    with pytest.raises(ModelMissingError, match="knownface models pull"):
        build_recognizer(Settings(home=isolated_home))


@pytest.mark.parametrize(
    "changes", [{"detector": "sface.2021dec"}, {"embedder": "onet.mtcnn"}, {"refiner": "yunet.2023mar"}]
)
def test_a_model_in_the_wrong_place_is_a_named_error(models_home: Path, changes: dict[str, str]) -> None:
    with pytest.raises(CardError, match="knownface models use"):
        build_recognizer(Settings(home=models_home, **changes))  # type: ignore[arg-type]


def test_flip_fusion_without_an_operating_point_does_not_borrow_one(models_home: Path, sample_photos: Path) -> None:
    from app.services import Services

    services = Services(Settings(home=models_home, flip_fusion=True))
    photo = sample_photos / "photos/barack-obama-2009.jpg"
    with pytest.raises(NoOperatingPointError, match=r"\+flip"):
        services.verify(photo, photo)
