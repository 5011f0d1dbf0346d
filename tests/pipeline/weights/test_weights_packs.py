"""InsightFace packs, with an `insightface` package that is made up."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from weights_helpers import DETECTOR, EMBEDDER, PACK, embedder, herd, sha

from pipeline.errors import FetchError, HashMismatchError, LicenceError
from pipeline.weights import Card, ModelStore
from pipeline.weights.card_sources import PackSource
from pipeline.weights.packs import PACKS, pull_pack

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
    return herd(tmp_path)


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


def test_shipped_pack_cards_install_by_hash_only() -> None:
    for card in ModelStore(Path("nowhere")).cards.values():
        for source in card.sources:
            if isinstance(source, PackSource):
                assert isinstance(card, Card)
                assert source.pack == card.pack
                assert source.sha256 == source.result_sha256 is not None
