"""`models add`: networks that are here already, from files, folders and zips."""

from __future__ import annotations

from pathlib import Path

import pytest
from weights_helpers import DETECTOR, EMBEDDER, FREE, PACK, card_of, detector, embedder, file_card, herd, sha, zipped

from pipeline.errors import CardError, FetchError, HashMismatchError
from pipeline.weights import ModelStore
from pipeline.weights.identify import Identity, identify
from pipeline.weights.toml_out import to_toml


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return herd(tmp_path)


def folder_of(tmp_path: Path, files: dict[str, bytes], name: str = "My Pack!") -> Path:
    folder = tmp_path / name
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@pytest.mark.parametrize("how", ["folder", "zip"])
def test_add_identifies_the_networks_of_a_pack(tmp_path: Path, how: str) -> None:
    path = folder_of(tmp_path, PACK)
    if how == "zip":
        path = tmp_path / "My Pack!.zip"
        path.write_bytes(zipped([(f"My Pack!/{name}", data) for name, data in PACK.items()]))
    store = ModelStore(tmp_path / "models", {})
    added = store.add(path)
    assert [model.card.name for model in added.models] == ["scrfd.my-pack", "arcface.my-pack"]
    assert added.ignored == (("genderage.onnx", "is neither a detector nor an embedder"),)
    again = ModelStore(tmp_path / "models", {})  # the cards are on disk
    card = again.installed("arcface.my-pack").card
    assert card.dimension == 128
    assert card.preprocessing.template == "arcface-112"
    assert card.preprocessing.std == (127.5, 127.5, 127.5)
    assert not card.licence.commercial_use
    assert sha(EMBEDDER) in card.provenance
    assert again.installed("scrfd.my-pack").card.preprocessing.std == (128.0, 128.0, 128.0)
    again.installed("arcface.my-pack").file.unlink()
    assert again.pull("arcface.my-pack", accept_licence=True).sha256 == sha(EMBEDDER)  # from where it came


def test_add_recognises_the_files_of_a_known_pack(store: ModelStore, tmp_path: Path) -> None:
    added = store.add(folder_of(tmp_path, PACK, "elsewhere"))
    assert {model.card.name for model in added.models} == {"scrfd.herd", "arcface.herd"}
    assert not store.cards_dir.exists()


def test_the_name_of_a_known_model_is_not_taken_by_another(store: ModelStore, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"w.onnx": embedder(64)}, "herd")
    with pytest.raises(CardError, match=r"arcface\.herd belongs to another model; choose one with `--name`"):
        store.add(folder)
    assert [model.card.name for model in store.add(folder, tag="mine").models] == ["arcface.mine"]


def test_two_embedders_get_two_names(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.onnx": embedder(64), "b.onnx": embedder(64, seed=1)}, "two")
    added = ModelStore(tmp_path / "models", {}).add(folder)
    assert [model.card.name for model in added.models] == ["arcface.two", "arcface.two-b"]


@pytest.mark.parametrize("how", ["beside", "given", "folder"])
def test_a_model_with_its_own_card(tmp_path: Path, how: str) -> None:
    folder = folder_of(tmp_path, {"sface.mine.onnx": EMBEDDER}, "run")
    card = card_of(b"", name="sface.mine", dimension=128, licence=FREE)
    text = to_toml(card.model_dump(mode="json", exclude_defaults=True))
    place = tmp_path / "cards" if how == "given" else folder
    place.mkdir(exist_ok=True)
    (place / "sface.mine.toml").write_text(text)
    store = ModelStore(tmp_path / "models", {})
    file = folder / "sface.mine.onnx"
    if how == "given":
        added = store.add(file, card=place / "sface.mine.toml")
    else:
        added = store.add(folder if how == "folder" else file)
    model = added.models[0]
    assert (model.card.name, model.card.licence) == ("sface.mine", FREE)
    assert ModelStore(tmp_path / "models", {}).installed("sface.mine").sha256 == model.sha256 == sha(EMBEDDER)


def test_a_card_of_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.onnx").write_bytes(embedder(64, seed=5))
    card = file_card(tmp_path / "old.onnx", name="sface.mine")
    (tmp_path / "sface.mine.toml").write_text(to_toml(card.model_dump(mode="json", exclude_defaults=True)))
    (tmp_path / "new.onnx").write_bytes(EMBEDDER)
    with pytest.raises(HashMismatchError, match=r"which the card of sface\.mine does not name"):
        ModelStore(tmp_path / "models", {}).add(tmp_path / "new.onnx", card=tmp_path / "sface.mine.toml")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "no ONNX file"),
        ({"readme.txt": b"x"}, "no ONNX file"),
        ({"x.onnx": b"rubbish"}, r"x\.onnx is not an ONNX file"),
        ({"x.onnx": detector(landmarks=False)}, "without landmarks"),
        (
            {"x.onnx": DETECTOR, "manifest.json": b'{"manifest_version": 2, "tasks": 3}'},
            "cannot be read as the manifest",
        ),
    ],
)
def test_nothing_to_add_says_why(tmp_path: Path, files: dict[str, bytes], says: str) -> None:
    folder = folder_of(tmp_path, files)
    folder.mkdir(exist_ok=True)
    with pytest.raises(FetchError, match=says):
        ModelStore(tmp_path / "models", {}).add(folder)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no such file or folder"):
        ModelStore(tmp_path / "models", {}).add(tmp_path / "none.zip")


def test_a_hostile_zip_adds_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "pack.zip"
    archive.write_bytes(zipped([("../../w.onnx", EMBEDDER)]))
    with pytest.raises(FetchError, match="leads outside"):
        ModelStore(tmp_path / "models", {}).add(archive)
    archive.write_bytes(zipped([("w.onnx", bytes(100_000_000))]))
    with pytest.raises(FetchError, match="refused"):
        ModelStore(tmp_path / "models", {}).add(archive)
    assert not list((tmp_path / "models").rglob("*.onnx"))


def test_identities(tmp_path: Path) -> None:
    file = tmp_path / "x.onnx"
    file.write_bytes(DETECTOR)
    found = identify(file)
    assert isinstance(found, Identity)
    assert (found.task, found.family, found.preprocessing.input_hw) == ("detector", "scrfd", (0, 0))
    file.write_bytes(EMBEDDER)
    found = identify(file)
    assert isinstance(found, Identity)
    assert (found.task, found.family, found.dimension) == ("embedder", "arcface", 128)


def test_a_manifest_nested_without_end_is_a_named_error(tmp_path: Path) -> None:
    pack = tmp_path / "herd"
    pack.mkdir()
    (pack / "manifest.json").write_text("[" * 200_000)
    (pack / "w_x.onnx").write_bytes(EMBEDDER)
    with pytest.raises(FetchError, match="nested too deeply"):
        ModelStore(tmp_path / "models", {}).add(pack)


def test_a_name_that_no_card_can_hold_is_a_named_error(tmp_path: Path) -> None:
    file = tmp_path / "w\x1b[2J.onnx"
    file.write_bytes(EMBEDDER)
    with pytest.raises(FetchError, match="rename it") as caught:
        ModelStore(tmp_path / "models", {}).add(file)
    assert caught.value.message.isprintable()
