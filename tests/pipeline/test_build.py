"""pipeline.build: from settings to stages, and which mistakes have a name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.build import build_recognizer, embedder_identity, operating_points
from pipeline.config import Settings
from pipeline.errors import CardError, ConfigError, ModelMismatchError, ModelMissingError, NoOperatingPointError
from pipeline.images import open_photo
from pipeline.types import FLIP_SUFFIX, Templates
from pipeline.weights import Card, Member, ModelStore, load_cards
from pipeline.weights.add import write_card
from pipeline.weights.ensembles import ensemble_sha256


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
        assert stage._session.runtime == f"{runtime}/cpu fp32"  # type: ignore[union-attr]


def test_few_photos_start_in_onnx_runtime(models_home: Path) -> None:
    recognizer = build_recognizer(Settings(home=models_home), expect="few")
    assert recognizer._embedder._session.runtime == "onnxruntime/cpu fp32"  # type: ignore[attr-defined]
    named = build_recognizer(Settings(home=models_home, runtime="openvino"), expect="few")
    assert named._embedder._session.runtime == "openvino/cpu fp32"  # type: ignore[attr-defined]


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


def own_home(models_home: Path, folder: Path) -> Path:
    """A data folder with the models of `models_home` and room for cards of its own."""
    (folder / "models").mkdir(parents=True)
    for model in (models_home / "models").iterdir():
        if (model / "model.onnx").is_file():
            (folder / "models" / model.name).symlink_to(model, target_is_directory=True)
    return folder


def test_an_ensemble_scores_as_its_members_do_together(models_home: Path, sample_photos: Path, tmp_path: Path) -> None:
    home = own_home(models_home, tmp_path / "home")
    name = "sface.2021dec+sface.2021dec+flip+zoom0.94_1.06"
    members = [
        Member(name="sface.2021dec", weight=0.25),
        Member(name="sface.2021dec", weight=0.75, flip=True, zooms=(0.94, 1.06)),
    ]
    licence = load_cards()["sface.2021dec"].licence
    card = Card(name=name, task="embedder", family="ensemble", dimension=256, members=tuple(members), licence=licence)
    write_card(ModelStore(home / "models"), card)
    settings = Settings(home=home, embedder=name)
    fused = build_recognizer(settings)
    assert (fused.model_id, fused.dimension) == embedder_identity(settings)
    assert fused.model_id.startswith(f"{name}@")
    one = build_recognizer(Settings(home=home))
    other = build_recognizer(Settings(home=home, flip_fusion=True, crop_zooms=(0.94, 1.06)))
    assert other.model_id == one.model_id + "+flip+zoom0.94_1.06"
    photos = [open_photo(path) for path in sorted((sample_photos / "photos").glob("*.jpg"))[:3]]
    together, first, second = (
        Templates(
            np.concatenate([recognizer.analyse(photo).templates.vectors for photo in photos]),
            np.ones(sum(len(recognizer.analyse(photo)) for photo in photos), np.float32),
            recognizer.model_id,
        )
        for recognizer in (fused, one, other)
    )
    expected = 0.25 * first.scores(first) + 0.75 * second.scores(second)
    np.testing.assert_allclose(together.scores(together), expected, atol=2e-5)
    with pytest.raises(ConfigError, match="for a single embedder"):
        build_recognizer(settings.model_copy(update={"flip_fusion": True}))
    with pytest.raises(ModelMismatchError):
        first.scores(together)


def test_the_identity_of_an_ensemble_needs_no_installed_model(isolated_home: Path) -> None:
    licence = load_cards()["sface.2021dec"].licence
    members = (Member(name="sface.2021dec", weight=0.5), Member(name="dlib_resnet.v1", weight=0.5, flip=True))
    name = "sface.2021dec+dlib_resnet.v1+flip"
    card = Card(name=name, task="embedder", family="ensemble", dimension=256, members=members, licence=licence)
    settings = Settings(home=isolated_home, embedder=name)
    write_card(ModelStore(settings.models_dir), card)
    hashes = [load_cards()[member.name].sources[0].result_sha256 or "" for member in members]
    assert embedder_identity(settings) == (f"{name}@{ensemble_sha256(card, hashes)[:8]}", 256)
    with pytest.raises(ModelMissingError, match="knownface models pull"):
        build_recognizer(settings)


def test_a_crop_of_another_size_than_the_template_is_a_named_error(models_home: Path, tmp_path: Path) -> None:
    home = own_home(models_home, tmp_path / "home")
    card = load_cards()["sface.2021dec"]
    wrong = card.preprocessing.model_copy(update={"template": "dlib-150"})
    write_card(ModelStore(home / "models"), card.model_copy(update={"preprocessing": wrong}))
    with pytest.raises(CardError, match="whose crops are of another size"):
        build_recognizer(Settings(home=home))
