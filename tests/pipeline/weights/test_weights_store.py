"""The store: pull, verify, damage, licences, concurrent pulls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import onnxruntime as ort
import pytest
from weights_helpers import RESEARCH, Site, card_of, embedder, file_card, running, sha, status, whole

import pipeline.weights.store
from pipeline.errors import (
    CardError,
    FetchError,
    HashMismatchError,
    LicenceError,
    ModelDamagedError,
    ModelMissingError,
)
from pipeline.weights import ModelStore, RuntimeRecord
from pipeline.weights.card_sources import FileSource, UrlSource
from pipeline.weights.toml_out import to_toml

DATA = embedder()


@pytest.fixture
def site() -> Iterator[Site]:
    with running(Site()) as site:
        site.answers = [whole(DATA)]
        yield site


@pytest.fixture
def store(site: Site, tmp_path: Path) -> ModelStore:
    card = card_of(DATA, f"{site.url}/model.onnx", transform=("dynamic_batch", "clean"))
    return ModelStore(tmp_path / "models", {card.name: card})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between the attempts of a download."""
    monkeypatch.setattr("pipeline.weights.download.time.sleep", lambda _seconds: None)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files the store has hashed."""
    files: list[Path] = []
    real: Callable[[Path], str] = pipeline.weights.store.sha256_of

    def counted(file: Path) -> str:
        files.append(file)
        return real(file)

    monkeypatch.setattr("pipeline.weights.store.sha256_of", counted)
    return files


def test_pull_installs_a_model_that_runs(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"run `knownface models pull sface\.test`$"):
        store.installed("sface.test")
    model = store.pull("sface.test")
    assert model == store.installed("sface.test")
    assert model.model_id == f"sface.test@{sha(model.file.read_bytes())[:8]}"
    assert model.sha256 != sha(DATA)  # it was transformed
    assert ort.InferenceSession(model.file, providers=["CPUExecutionProvider"]).get_inputs()[0].shape[0] == "N"
    left = {str(f.relative_to(tmp_path / "models")) for f in (tmp_path / "models").rglob("*") if f.is_file()}
    assert left == {"sface.test/model.onnx", "sface.test/installed.json", ".fetch/sface.test.lock"}


def test_pull_again_does_nothing(store: ModelStore, site: Site) -> None:
    first = store.pull("sface.test")
    os.utime(first.file)
    assert store.pull("sface.test") == first
    assert len(site.requests) == 1


def test_an_unchanged_file_is_not_hashed_at_a_start_but_always_by_verify(store: ModelStore, hashed: list[Path]) -> None:
    model = store.pull("sface.test")
    hashed.clear()
    for _ in range(3):
        store.installed("sface.test")
    assert hashed == []
    store.verify("sface.test")
    assert hashed == [model.file]


def test_a_file_with_another_time_is_hashed_once(store: ModelStore, hashed: list[Path]) -> None:
    model = store.pull("sface.test")
    os.utime(model.file, ns=(1, 1))
    hashed.clear()
    assert store.installed("sface.test") == store.installed("sface.test") == model
    assert hashed == [model.file]


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
def test_a_damaged_file_is_named_and_pull_replaces_it(store: ModelStore, site: Site, damage: str) -> None:
    model = store.pull("sface.test")
    data = bytearray(model.file.read_bytes())
    data[100] ^= 255
    model.file.write_bytes({"flip": bytes(data), "truncate": data[:-1], "empty": b""}[damage])
    with pytest.raises(ModelDamagedError, match=r"run `knownface models pull sface\.test`"):
        store.installed("sface.test")
    assert store.list()[0].problem
    assert store.list()[0].installed is None
    assert store.pull("sface.test").sha256 == model.sha256
    assert len(site.requests) == 2


def test_damage_is_found_that_kept_size_and_time(store: ModelStore) -> None:
    model = store.pull("sface.test")
    before = model.file.stat()
    data = bytearray(model.file.read_bytes())
    data[100] ^= 255
    model.file.write_bytes(data)
    os.utime(model.file, ns=(before.st_atime_ns, before.st_mtime_ns))
    for check in (store.installed, store.verify):  # the file system's own time of change tells
        with pytest.raises(ModelDamagedError):
            check("sface.test")


@pytest.mark.parametrize("record", ["", "{}", "[]", '{"sha256": 3}', None])
def test_without_a_usable_record_it_is_not_installed(store: ModelStore, record: str | None) -> None:
    model = store.pull("sface.test")
    file = model.file.with_name("installed.json")
    file.unlink() if record is None else file.write_text(record)
    with pytest.raises(ModelMissingError):
        store.installed("sface.test")
    assert store.pull("sface.test").sha256 == model.sha256


def test_a_missing_model_file_is_not_installed(store: ModelStore) -> None:
    store.pull("sface.test").file.unlink()
    with pytest.raises(ModelMissingError):
        store.installed("sface.test")


def test_a_runtime_is_remembered(store: ModelStore) -> None:
    store.pull("sface.test")
    record = RuntimeRecord(runtime="openvino", ms={"openvino": 1.5, "onnxruntime": 2.5}, max_abs_difference=1e-6)
    assert store.record_runtime("sface.test", record).runtime == record
    assert ModelStore(store.models_dir, store.cards).installed("sface.test").runtime == record


def test_the_wrong_file_is_refused_and_leaves_nothing(store: ModelStore, site: Site) -> None:
    site.answers = [whole(bytes(len(DATA)))]
    with pytest.raises(HashMismatchError, match=r"sface\.test: .*refused and removed"):
        store.pull("sface.test")
    assert [f for f in store.models_dir.rglob("*") if f.is_file() and f.suffix != ".lock"] == []


def test_a_result_other_than_promised_is_refused(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(DATA)
    source = FileSource(kind="file", path=str(tmp_path / "m.onnx"), sha256=sha(DATA), result_sha256="0" * 64)
    other = ModelStore(tmp_path / "other", {"sface.test": card_of(DATA, sources=(source,))})
    with pytest.raises(HashMismatchError, match="expected 0000000000000000"):
        other.pull("sface.test")
    assert not (tmp_path / "other" / "sface.test" / "model.onnx").exists()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("answer", [status(404), status(500), whole(bytes(len(DATA)))])
def test_the_second_source_serves_where_the_first_fails(site: Site, tmp_path: Path, answer: object) -> None:
    site.answers = [answer]  # type: ignore[list-item]
    (tmp_path / "m.onnx").write_bytes(DATA)
    first = UrlSource(kind="url", url=f"{site.url}/m", sha256=sha(DATA), size=len(DATA))
    second = FileSource(kind="file", path=str(tmp_path / "m.onnx"), sha256=sha(DATA))
    card = card_of(DATA, sources=(first, second))
    assert ModelStore(tmp_path / "models", {card.name: card}).pull(card.name).origin == str(tmp_path / "m.onnx")


def test_where_every_source_fails_each_is_named(site: Site, tmp_path: Path) -> None:
    site.answers = [status(404)]
    first = UrlSource(kind="url", url=f"{site.url}/m", sha256=sha(DATA), size=len(DATA))
    second = FileSource(kind="file", path=str(tmp_path / "none.onnx"), sha256=sha(DATA))
    card = card_of(DATA, sources=(first, second))
    with pytest.raises(FetchError, match=r"404.* — then .*none\.onnx"):
        ModelStore(tmp_path / "models", {card.name: card}).pull(card.name)


def test_a_licence_has_to_be_accepted(store: ModelStore, site: Site, tmp_path: Path) -> None:
    card = card_of(DATA, f"{site.url}/m", licence=RESEARCH, pack="herd")
    guarded = ModelStore(tmp_path / "guarded", {card.name: card})
    with pytest.raises(LicenceError, match="`knownface models pull herd --accept-licence`"):
        guarded.pull(card.name)
    assert site.requests == []
    with pytest.raises(ModelMissingError, match="--accept-licence"):
        guarded.installed(card.name)
    assert guarded.pull(card.name, accept_licence=True) == guarded.pull(card.name)


def test_a_card_whose_file_changed_is_pulled_again(store: ModelStore, site: Site) -> None:
    old = store.pull("sface.test")
    new = embedder(seed=1)
    site.answers = [whole(new)]
    card = card_of(new, f"{site.url}/model.onnx")
    updated = ModelStore(store.models_dir, {card.name: card})
    assert updated.installed("sface.test").sha256 == old.sha256  # goes on working until then
    assert updated.pull("sface.test").sha256 == sha(new)


def test_several_processes_pull_at_once(tmp_path: Path) -> None:
    model, cards = tmp_path / "m.onnx", tmp_path / "models" / "cards"
    model.write_bytes(DATA)
    cards.mkdir(parents=True)
    card = file_card(model, transform=("clean",))
    (cards / f"{card.name}.toml").write_text(to_toml(card.model_dump(mode="json", exclude_defaults=True)))
    code = (
        "import sys; from pathlib import Path; from pipeline.weights import ModelStore\n"
        "print(ModelStore(Path(sys.argv[1])).pull('sface.test').model_id)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "models")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate(timeout=180)[0] for process in running}
    assert said == {ModelStore(tmp_path / "models").installed("sface.test").model_id + "\n"}


def test_several_threads_pull_once(store: ModelStore, site: Site) -> None:
    done: list[str] = []
    threads = [threading.Thread(target=lambda: done.append(store.pull("sface.test").sha256)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 4
    assert len(set(done)) == len(site.requests) == 1


@pytest.mark.parametrize("name", ["", "nothing", "../cards", "sface.test/..", "a\\b", "."])
def test_a_name_that_is_none_is_a_named_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(CardError, match="no such model"):
        ModelStore(tmp_path).installed(name)


def test_looking_for_a_model_makes_no_folder(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    with pytest.raises(ModelMissingError):
        store.installed("yunet.2023mar")
    assert not any(row.installed for row in store.list())
    assert not (tmp_path / "models").exists()


def test_a_start_imports_nothing_that_only_a_pull_needs() -> None:
    code = "import sys, pipeline.weights; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"onnx", "httpx", "pip", "filelock", "onnxruntime", "cv2", "insightface"} & set(loaded)


def test_an_older_record_is_completed_after_one_hash(store: ModelStore, hashed: list[Path]) -> None:
    model = store.pull("sface.test")
    file = model.file.with_name("installed.json")
    record = json.loads(file.read_text())
    file.write_text(json.dumps({k: v for k, v in record.items() if k not in ("ctime_ns", "inode")}))
    hashed.clear()
    assert store.installed("sface.test") == store.installed("sface.test") == model
    assert hashed == [model.file]
    assert json.loads(file.read_text()) == record


def test_uninstall_leaves_nothing_of_a_model(store: ModelStore) -> None:
    store.pull("sface.test")
    store.uninstall("sface.test")
    with pytest.raises(ModelMissingError):
        store.installed("sface.test")
    assert not (store.models_dir / "sface.test").exists()
