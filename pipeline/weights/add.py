"""`models add`: installs models from a file, a folder or a zip on this machine and writes their cards."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pydantic import ValidationError

from pipeline.errors import CardError, FetchError, HashMismatchError
from pipeline.weights.card import Card, Licence
from pipeline.weights.card_sources import FileSource, file_hash
from pipeline.weights.files import sha256_of, unpack_zip
from pipeline.weights.identify import Identity, identify
from pipeline.weights.records import Added, InstalledModel
from pipeline.weights.toml_out import to_toml

if TYPE_CHECKING:
    from pipeline.weights.store import ModelStore

_SUFFIXES = (".onnx", ".toml", ".json")
_UNKNOWN = Licence(
    code="unknown",
    weights="unknown: taken as non-commercial unless its owner says otherwise",
    training_data="unknown",
    commercial_use=False,
)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where the files of one `add` come from: `archive` is set if they were unpacked from one."""

    tag: str
    pack: str = ""
    licence: Licence = _UNKNOWN
    text: str = ""
    archive: Path | None = None
    members: dict[Path, str] | None = None

    def source(self, file: Path, sha256: str) -> FileSource:
        path, member = (self.archive, (self.members or {})[file]) if self.archive else (file.resolve(), "")
        try:
            return FileSource(kind="file", path=str(path), member=member, sha256=sha256)
        except ValidationError as error:
            raise FetchError(f"{file!r}: has a name that no card can hold; rename it or its folder") from error


def add_models(store: ModelStore, path: Path, *, card_file: Path | None = None, tag: str = "") -> Added:
    """Installs what the pipeline can run.

    A file that a known card describes is installed under that card; one that lies beside a card of its own (or is
    given one) under that; any other is identified by its inputs and outputs and gets a card in `store.cards_dir`.

    Args:
        store: Where to.
        path: An ONNX file, a folder (searched with its subfolders), or a zip.
        card_file: The card of a single ONNX file.
        tag: Second part of the names of models without a card; by default made from the name of the path.

    Raises:
        FetchError: The path cannot be read, or nothing in it can be used.
        CardError: A card is invalid, or a name belongs to another known model.
        HashMismatchError: A file is not the one its card describes.
    """
    tag = _tag(tag or (path.name if path.is_dir() else path.stem))
    if path.is_dir():
        return add_folder(store, path, tag=tag)
    if not path.is_file():
        raise FetchError(f"{path}: no such file or folder")
    if path.suffix.lower() == ".zip":
        with tempfile.TemporaryDirectory(dir=store.fetch_dir) as folder:
            members = dict(unpack_zip(path, Path(folder), _SUFFIXES))
            return _add_files(store, list(members), _Origin(tag, archive=path.resolve(), members=members))
    if card_file is not None:
        return Added((_add_with_card(store, Card.read(card_file), path, _Origin(tag)),), ())
    beside = path.with_suffix(".toml")
    return _add_files(store, [path, beside] if beside.is_file() else [path], _Origin(tag))


def add_folder(
    store: ModelStore, folder: Path, *, tag: str, pack: str = "", licence: Licence = _UNKNOWN, origin: str = ""
) -> Added:
    """The same for the files of a folder and its subfolders; `origin` says in words where they come from."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and file.suffix.lower() in _SUFFIXES]
    return _add_files(store, files, _Origin(tag, pack, licence, origin))


def _add_files(store: ModelStore, files: list[Path], origin: _Origin) -> Added:
    models: list[InstalledModel] = []
    ignored: list[tuple[str, str]] = []
    cards = {file.with_suffix(""): file for file in files if file.suffix.lower() == ".toml"}
    manifest = _manifest(files)
    taken: set[str] = set()
    for file in (f for f in files if f.suffix.lower() == ".onnx"):
        sha256 = sha256_of(file)
        if (card := _known(store, sha256, origin.tag)) is not None:
            models.append(_install_known(store, card, origin.source(file, sha256), file))
        elif (card_file := cards.get(file.with_suffix(""))) is not None:
            models.append(_add_with_card(store, Card.read(card_file), file, origin))
        elif isinstance(found := _by_manifest(file, sha256, manifest), str):
            ignored.append((file.name, found))
        else:
            card = _new_card(file, sha256, found, origin, taken)
            models.append(_install(store, card, origin.source(file, sha256), file))
            taken.add(card.name)
    if not models:
        detail = "; ".join(f"{name} {reason}" for name, reason in ignored) or "no ONNX file in it"
        raise FetchError(f"nothing to add: {detail}")
    return Added(tuple(models), tuple(ignored))


def _known(store: ModelStore, sha256: str, tag: str) -> Card | None:
    """The card whose source this very file is; of several the one of the pack named like `tag`."""
    cards = [c for c in store.shipped_cards.values() if any(file_hash(s) == sha256 for s in c.sources)]
    return min(cards, key=lambda card: (card.pack != tag, card.name), default=None)


def _install_known(store: ModelStore, card: Card, source: FileSource, file: Path) -> InstalledModel:
    result = next((s.result_sha256 for s in card.sources if file_hash(s) == source.sha256), None)
    with store.lock(card.name):
        return store.install(card, source.model_copy(update={"result_sha256": result}), file)


def _add_with_card(store: ModelStore, card: Card, file: Path, origin: _Origin) -> InstalledModel:
    sha256 = sha256_of(file)
    hashes = {file_hash(s) for s in card.sources} - {None}
    if hashes and sha256 not in hashes:
        raise HashMismatchError(f"{file.name}: has SHA-256 {sha256[:16]}…, which the card of {card.name} does not name")
    source = origin.source(file, sha256)
    if not hashes:
        card = card.model_copy(update={"sources": (*card.sources, source)})
    return _install(store, card, source, file)


def _install(store: ModelStore, card: Card, source: FileSource, file: Path) -> InstalledModel:
    if card.name in store.shipped_cards and store.shipped_cards[card.name] != card:
        raise CardError(f"the name {card.name} belongs to another model; choose one with `--name`")
    with store.lock(card.name):
        installed = store.install(card, source, file)
        write_card(store, card)
    return installed


def write_card(store: ModelStore, card: Card) -> None:
    """Keeps a card among the user's; it wins over one of its name that comes with Knownface."""
    store.cards_dir.mkdir(parents=True, exist_ok=True)
    target = store.cards_dir / f"{card.name}.toml"
    temporary = target.with_name(f".{uuid4().hex}")
    temporary.write_text(to_toml(card.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    temporary.replace(target)
    store.forget_cards()


def _new_card(file: Path, sha256: str, found: Identity, origin: _Origin, taken: set[str]) -> Card:
    name = f"{found.family}.{origin.tag}"
    if name in taken:
        name = f"{name}-{_tag(file.stem)}"
    source = origin.source(file, sha256).model_copy(update={"result_sha256": sha256})
    text = origin.text or f"added by hand from {origin.archive or file.resolve().parent}"
    try:
        return Card(
            name=name,
            title=f"{file.name}, identified by its inputs and outputs",
            task=found.task,
            family=found.family,
            pack=origin.pack,
            sources=() if origin.pack else (source,),
            preprocessing=found.preprocessing,
            dimension=found.dimension,
            licence=origin.licence,
            provenance=f"{text}; {file.name}, SHA-256 {sha256}",
        )
    except ValidationError as error:
        raise CardError(f"{name}: is no name for a model; choose one with `--name`") from error


def _manifest(files: list[Path]) -> dict[str, Any]:
    """Tasks by file name from the manifest (version 2) of an InsightFace pack, empty if there is none."""
    for file in files:
        if file.name == "manifest.json":
            try:
                document = json.loads(file.read_text(encoding="utf-8"))
                if document["manifest_version"] == 2:
                    return {Path(task["file"]).name: {**task, "task": name} for name, task in document["tasks"].items()}
            except RecursionError as error:
                raise FetchError(f"{file}: cannot be read as the manifest of a pack (nested too deeply)") from error
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise FetchError(f"{file}: cannot be read as the manifest of a pack ({error})") from error
    return {}


def _by_manifest(file: Path, sha256: str, manifest: dict[str, Any]) -> Identity | str:
    """The identity of a file, corrected by what the pack's own manifest says about it.

    Raises:
        HashMismatchError: It does not have the hash the manifest states.
    """
    found = identify(file)
    if isinstance(found, str) or not manifest:
        return found
    task = manifest.get(file.name)
    if task is None or task["task"] not in ("detection", "recognition"):
        return "serves no task of the pipeline, says the pack's manifest"
    if task.get("sha256") not in (None, sha256):
        raise HashMismatchError(f"{file.name}: does not have the SHA-256 that the pack's manifest states")
    prep = task.get("preprocessing")
    if prep is None:
        return found
    try:
        mean, std = (0.0, 1.0) if prep == "embedded" else (float(prep["mean"]), float(prep["std"]))
    except (TypeError, KeyError, ValueError) as error:
        raise FetchError(f"{file.name}: the pack's manifest states a preprocessing that is not known") from error
    new = found.preprocessing.model_copy(update={"mean": (mean,) * 3, "std": (std,) * 3})
    return Identity(found.task, found.family, new, found.dimension)


def _tag(name: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_") or "custom"
