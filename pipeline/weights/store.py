"""The models installed on this machine: one folder each, with the weights and a record of what they are.

In `models_dir`:

    <arch.tag>/model.onnx       as the pipeline runs it
    <arch.tag>/installed.json   hash, size, source; the runtime that was fastest
    cards/<arch.tag>.toml       cards of models added by hand
    .fetch/                     downloads under way
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import CardError, FetchError, HashMismatchError, LicenceError, ModelDamagedError, ModelMissingError
from pipeline.weights.card import Card, RuntimeRecord, Sha256, Source, cards_dir, load_cards
from pipeline.weights.files import Progress, remove, sha256_of

_MODEL, _RECORD = "model.onnx", "installed.json"


class InstallRecord(BaseModel):
    """What is known about an installed file, so that a start need not hash it.

    Attributes:
        sha256: Of the file.
        size: In bytes.
        mtime_ns: Time of last change when it was hashed.
        source_sha256: Of what was fetched, before the transform.
        origin: Where that came from, in words.
        installed_at: ISO 8601, UTC.
        runtime: The runtime that was measured to be fastest, None before that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Sha256
    size: int
    mtime_ns: int
    source_sha256: Sha256
    origin: str
    installed_at: str
    runtime: RuntimeRecord | None = None


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model that is installed and can be run.

    Attributes:
        card: Its card.
        file: The ONNX file.
        sha256: Of the file.
        runtime: The runtime measured to be fastest on this machine; None before `models pull` has measured it.
        origin: Where it came from, in words.
        installed_at: ISO 8601, UTC.
    """

    card: Card
    file: Path
    sha256: str
    runtime: RuntimeRecord | None = None
    origin: str = ""
    installed_at: str = ""

    @property
    def model_id(self) -> str:
        """`arch.tag@sha8`."""
        return f"{self.card.name}@{self.sha256[:8]}"


@dataclass(frozen=True, slots=True)
class StoreRow:
    """One known model: its card, and what is installed of it.

    Attributes:
        card: Its card.
        installed: The installed model, None if it is not there or damaged.
        size: Bytes of the installed file, 0 if there is none.
        problem: Why an installed model cannot be used, "" if all is well.
    """

    card: Card
    installed: InstalledModel | None
    size: int
    problem: str


class ModelStore:
    """The user's models.

    Args:
        models_dir: Where they are kept; made when the first one is pulled.
        cards: The known cards; by default those that come with Knownface and those in `models_dir/cards`.
    """

    def __init__(self, models_dir: Path, cards: Mapping[str, Card] | None = None) -> None:
        self.models_dir = models_dir
        self._cards: dict[str, Card] | None = None if cards is None else dict(cards)

    @property
    def cards_dir(self) -> Path:
        """Where cards of models added by hand are kept."""
        return self.models_dir / "cards"

    @property
    def cards(self) -> Mapping[str, Card]:
        """Every known card by name."""
        if self._cards is None:
            self._cards = load_cards((cards_dir(), self.cards_dir))
        return self._cards

    def card(self, name: str) -> Card:
        """The card of this name.

        Raises:
            CardError: There is none.
        """
        if self._cards is None:  # a start needs three cards, not all of them
            for folder in (self.cards_dir, cards_dir()):
                if name and os.sep not in name and (file := folder / f"{name}.toml").is_file():
                    return Card.read(file)
        if name not in self.cards:
            raise CardError(f"{name}: no such model; `knownface models list` shows those there are")
        return self.cards[name]

    def in_pack(self, pack: str) -> list[Card]:
        """The cards of a pack, e.g. `buffalo_l`; empty if there is no such pack."""
        return [card for card in self.cards.values() if pack and card.pack == pack]

    def installed(self, name: str) -> InstalledModel:
        """The installed model of this name; quick, since an unchanged file is not hashed again.

        Raises:
            CardError: No model of this name is known.
            ModelMissingError: It is not installed.
            ModelDamagedError: Its file is not what was installed.
        """
        return self._check(self.card(name), full=False)

    def verify(self, name: str) -> InstalledModel:
        """The same, but always hashes the file.

        Raises:
            CardError, ModelMissingError, ModelDamagedError: As `installed` does.
        """
        return self._check(self.card(name), full=True)

    def list(self) -> list[StoreRow]:
        """Every known model, by name."""
        rows = []
        for card in self.cards.values():
            installed, size, problem = None, 0, ""
            try:
                installed = self._check(card, full=False)
                size = installed.file.stat().st_size
            except ModelMissingError:
                pass
            except ModelDamagedError as error:
                problem = error.message
            rows.append(StoreRow(card, installed, size, problem))
        return rows

    def pull(self, name: str, *, accept_licence: bool = False, progress: Progress | None = None) -> InstalledModel:
        """Fetches, verifies, prepares and installs a model; returns at once if that was done before.

        Safe to call from several processes at the same time.

        Args:
            name: Of the model.
            accept_licence: The user accepts the licence of weights that may not be used commercially.
            progress: Told what is being fetched, bytes so far and bytes in all.

        Raises:
            CardError: No model of this name is known.
            LicenceError: The licence has to be accepted first.
            FetchError, HashMismatchError: No source gave what the card promises.
        """
        card = self.card(name)
        if (present := self._present(card)) is not None:
            return present
        if not card.licence.commercial_use and not accept_licence:
            raise LicenceError(
                f"{name}: its weights may not be used commercially ({card.licence.weights}); if that suits you, run "
                f"`knownface models pull {card.pack or name} --accept-licence`"
            )
        fetch_dir = self.models_dir / ".fetch"
        fetch_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(fetch_dir / f"{name}.lock"):
            if (present := self._present(card)) is not None:  # another process was quicker
                return present
            return self._pull_from_any(card, fetch_dir / name, progress)

    def install(self, card: Card, source: Source, file: Path) -> InstalledModel:
        """Prepares a fetched, verified file by the card's transform and puts it in place with its record.

        Raises:
            FetchError: The transform cannot handle the file.
            HashMismatchError: The result is not what the card promises.
        """
        from pipeline.weights.transforms import transform_file  # noqa: PLC0415  onnx, and only here

        folder = self.models_dir / card.name
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{_MODEL}.{uuid4().hex}"
        try:
            transform_file(file, temporary, card.transform)
            found = sha256_of(temporary)
            if source.result_sha256 and found != source.result_sha256:
                raise HashMismatchError(
                    f"{card.name}: prepared from {source.describe()} it has SHA-256 {found[:16]}…, "
                    f"expected {source.result_sha256[:16]}…; refused and removed"
                )
            (folder / _RECORD).unlink(missing_ok=True)
            temporary.replace(folder / _MODEL)
        finally:
            temporary.unlink(missing_ok=True)
        status = (folder / _MODEL).stat()
        record = InstallRecord(
            sha256=found,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            source_sha256=source.sha256 if source.sha256 and source.kind != "package" else sha256_of(file),
            origin=source.describe(),
            installed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._write_record(card.name, record)
        return self._model(card, record)

    def record_runtime(self, name: str, runtime: RuntimeRecord) -> InstalledModel:
        """Remembers which runtime was measured to be fastest.

        Raises:
            CardError, ModelMissingError, ModelDamagedError: As `installed` does.
        """
        installed = self.installed(name)
        record = self._read_record(name)
        assert record is not None  # noqa: S101  `installed` has read it
        record = record.model_copy(update={"runtime": runtime})
        self._write_record(name, record)
        return self._model(installed.card, record)

    def _present(self, card: Card) -> InstalledModel | None:
        """The model as installed, if a pull would change nothing."""
        try:
            installed = self._check(card, full=False)
        except (ModelMissingError, ModelDamagedError):
            return None
        open_ended = any(source.result_sha256 is None for source in card.sources)
        return installed if open_ended or installed.sha256 in card.result_hashes else None

    def _pull_from_any(self, card: Card, fetch_dir: Path, progress: Progress | None) -> InstalledModel:
        from pipeline.weights.sources import fetch  # noqa: PLC0415  only a pull fetches

        fetch_dir.mkdir(parents=True, exist_ok=True)
        problems: list[FetchError] = []
        for source in card.sources:
            try:
                installed = self.install(card, source, fetch(source, fetch_dir, progress))
            except FetchError as error:
                problems.append(error)
                continue
            remove(fetch_dir)
            return installed
        if not problems:
            raise FetchError(f"{card.name}: its card names no source; add the file with `knownface models add`")
        kind = next((type(p) for p in problems if isinstance(p, HashMismatchError)), FetchError)
        raise kind(f"{card.name}: " + " — then ".join(p.message for p in problems))

    def _check(self, card: Card, *, full: bool) -> InstalledModel:
        name = card.name
        record, file = self._read_record(name), self.models_dir / name / _MODEL
        try:
            status = file.stat()
        except OSError:
            record = None
        if record is None:
            raise ModelMissingError(f"the model {name} is not installed: run {_pull_command(card)}")
        changed = (status.st_size, status.st_mtime_ns) != (record.size, record.mtime_ns)
        if full or changed:
            if status.st_size != record.size or sha256_of(file) != record.sha256:
                raise ModelDamagedError(f"{file}: is not the file that was installed: run {_pull_command(card)}")
            if changed:  # only its time: a copied or restored folder
                with contextlib.suppress(OSError):  # a folder that may only be read: hashed at each start instead
                    self._write_record(name, record.model_copy(update={"mtime_ns": status.st_mtime_ns}))
        return self._model(card, record)

    def _model(self, card: Card, record: InstallRecord) -> InstalledModel:
        file = self.models_dir / card.name / _MODEL
        return InstalledModel(card, file, record.sha256, record.runtime, record.origin, record.installed_at)

    def _read_record(self, name: str) -> InstallRecord | None:
        try:
            return InstallRecord.model_validate_json((self.models_dir / name / _RECORD).read_bytes())
        except (OSError, ValidationError):
            return None  # not there, or not to be relied on: the model counts as not installed

    def _write_record(self, name: str, record: InstallRecord) -> None:
        temporary = self.models_dir / name / f".{_RECORD}.{uuid4().hex}"
        try:
            temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
            temporary.replace(temporary.with_name(_RECORD))
        finally:
            temporary.unlink(missing_ok=True)


def _pull_command(card: Card) -> str:
    name = card.pack or card.name
    if not card.sources:
        return "`knownface models add` with its file"
    return f"`knownface models pull {name}{'' if card.licence.commercial_use else ' --accept-licence'}`"
