"""InsightFace packs and models added by hand, with an `insightface` package that is made up."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from weights_helpers import FREE, RESEARCH, card_of, detector, embedder, file_card, sha, zipped

from pipeline.errors import CardError, FetchError, HashMismatchError, LicenceError
from pipeline.weights import Card, ModelStore
from pipeline.weights.card_sources import PackSource
from pipeline.weights.identify import Identity, identify
from pipeline.weights.packs import PACKS, pull_pack
from pipeline.weights.toml_out import to_toml

DETECTOR, EMBEDDER = detector(), embedder(128)
PACK = {"det_x.onnx": DETECTOR, "w_x.onnx": EMBEDDER, "genderage.onnx": embedder(64, side=96), "notes.txt": b"hello"}
Insightface = Callable[[dict[str, bytes]], list[tuple[Any, ...]]]


@pytest.fixture
def insightface(monkeypatch: pytest.MonkeyPatch) -> Insightface:
    """Makes an `insightface` whose download function unpacks these files; returns the calls it gets."""

    def pretend(files: dict[str, bytes]) -> list[tuple[Any, ...]]:
        calls: list[tuple[Any, ...]] = []

        def download(sub_dir: str, name: str, force: bool = False, root: str = "~/.insightface") -> str:
            calls.append((sub_dir, name, force, root))
            sys.stdout.write(f"download_path: {root}\n")
            folder = Path(root) / sub_dir / name
            for path, data in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)
            return str(folder)

        for module in ("insightface", "insightface.utils", "insightface.utils.storage"):
            monkeypatch.setitem(sys.modules, module, ModuleType(module))
        sys.modules["insightface.utils.storage"].download = download  # type: ignore[attr-defined]
        return calls

    return pretend


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """Knows a pack of two cards, `herd`, and nothing else."""

    def source(member: str, data: bytes) -> tuple[PackSource, ...]:
        return (PackSource(kind="insightface", pack="herd", member=member, sha256=sha(data), result_sha256=sha(data)),)

    common: dict[str, Any] = {"pack": "herd", "licence": RESEARCH}
    cards = [
        card_of(
            b"", name="arcface.herd", family="arcface", sources=source("w_x.onnx", EMBEDDER), dimension=128, **common
        ),
        card_of(
            b"",
            name="scrfd.herd",
            task="detector",
            family="scrfd",
            sources=source("det_x.onnx", DETECTOR),
            dimension=None,
            **common,
        ),
    ]
    return ModelStore(tmp_path / "models", {card.name: card for card in cards})


def folder_of(tmp_path: Path, files: dict[str, bytes], name: str = "My Pack!") -> Path:
    folder = tmp_path / name
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def test_a_pack_is_pulled_once_for_all_its_models(
    store: ModelStore, insightface: Insightface, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = insightface({f"herd/{name}": data for name, data in PACK.items()})  # nested, as antelopev2 is
    added = pull_pack(store, "herd", accept_licence=True)
    assert {model.card.name for model in added.models} == {"arcface.herd", "scrfd.herd"}
    assert store.installed("arcface.herd").sha256 == sha(EMBEDDER)
    assert [call[:3] for call in calls] == [("models", "herd", True)]
    assert Path(calls[0][3]).is_relative_to(store.models_dir)
    assert capsys.readouterr().out == ""
    assert pull_pack(store, "herd").models == (store.installed("arcface.herd"), store.installed("scrfd.herd"))
    assert len(calls) == 1
    assert not list(store.fetch_dir.rglob("*.onnx"))


def test_one_model_of_a_pack(store: ModelStore, insightface: Insightface) -> None:
    insightface(PACK)
    assert store.pull("scrfd.herd", accept_licence=True).sha256 == sha(DETECTOR)
    with pytest.raises(LicenceError, match="--accept-licence"):
        store.pull("arcface.herd")


def test_without_accepting_the_licence_nothing_is_fetched(store: ModelStore, insightface: Insightface) -> None:
    calls = insightface(PACK)
    with pytest.raises(LicenceError, match=r"non-commercial.*`knownface models pull herd --accept-licence`"):
        pull_pack(store, "herd")
    assert calls == []


def test_without_the_package_it_names_the_extra(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "insightface", None)
    with pytest.raises(FetchError, match=r"pip install 'knownface\[insightface\]'"):
        pull_pack(store, "herd", accept_licence=True)


def test_a_pack_with_another_file_is_refused(store: ModelStore, insightface: Insightface) -> None:
    insightface({**PACK, "det_x.onnx": embedder(64, seed=9)})
    with pytest.raises(HashMismatchError, match="refused and removed"):
        pull_pack(store, "herd", accept_licence=True)
    insightface({"w_x.onnx": EMBEDDER})
    with pytest.raises(FetchError, match=r"no file det_x\.onnx"):
        pull_pack(store, "herd", accept_licence=True)


@pytest.mark.parametrize("error", [OSError("no route"), RuntimeError("Failed downloading url"), ValueError("bad")])
def test_a_failing_download_is_a_named_error(store: ModelStore, insightface: Insightface, error: Exception) -> None:
    insightface(PACK)

    def fails(*_args: object, **_kwargs: object) -> str:
        raise error

    sys.modules["insightface.utils.storage"].download = fails  # type: ignore[attr-defined]
    with pytest.raises(FetchError, match="herd: the insightface package could not fetch it"):
        pull_pack(store, "herd", accept_licence=True)


def test_a_pack_without_cards_gets_some_from_its_own_manifest(store: ModelStore, insightface: Insightface) -> None:
    manifest = {
        "manifest_version": 2,
        "tasks": {
            "detection": {"file": "det_x.onnx", "sha256": sha(DETECTOR)},
            "recognition": {"file": "w_x.onnx", "preprocessing": {"mean": 1.0, "std": 2.0}},
            "verification": {"file": "other.onnx"},
        },
    }
    files = {"det_x.onnx": DETECTOR, "w_x.onnx": EMBEDDER, "other.onnx": embedder(64)}
    insightface({**files, "manifest.json": json.dumps(manifest).encode()})
    bare = ModelStore(store.models_dir, {})
    assert "raccoon_l" in PACKS
    added = pull_pack(bare, "raccoon_l", accept_licence=True)
    assert [model.card.name for model in added.models] == ["scrfd.raccoon_l", "arcface.raccoon_l"]
    assert added.models[1].card.preprocessing.mean == (1.0, 1.0, 1.0)
    assert added.ignored == (("other.onnx", "serves no task of the pipeline, says the pack's manifest"),)
    assert not added.models[0].card.licence.commercial_use
    assert len(pull_pack(bare, "raccoon_l").models) == 2  # there already, so nothing is asked
    added.models[0].file.unlink()
    assert len(pull_pack(bare, "raccoon_l", accept_licence=True).models) == 2
    manifest["tasks"]["detection"]["sha256"] = "0" * 64  # type: ignore[index]
    insightface({**files, "manifest.json": json.dumps(manifest).encode()})
    with pytest.raises(HashMismatchError, match="manifest states"):
        pull_pack(ModelStore(store.models_dir.with_name("b"), {}), "raccoon_l", accept_licence=True)


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


def test_shipped_pack_cards_install_by_hash_only() -> None:
    for card in ModelStore(Path("nowhere")).cards.values():
        for source in card.sources:
            if isinstance(source, PackSource):
                assert isinstance(card, Card)
                assert source.pack == card.pack
                assert source.sha256 == source.result_sha256 is not None


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
