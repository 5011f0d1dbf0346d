"""The models installed on this machine: one folder each, with the weights and a record of what they are.

In `models_dir`:

    <arch.tag>/model.onnx       as the pipeline runs it
    <arch.tag>/installed.json   hash, size, source; the runtime that was fastest
    cards/<arch.tag>.toml       cards of models added by hand
    .fetch/                     downloads under way, and locks
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from pipeline.errors import CardError, FetchError, HashMismatchError, ModelDamagedError, ModelMissingError
from pipeline.weights.card import Card, RuntimeRecord, cards_dir, load_cards
from pipeline.weights.card_sources import Source, file_hash
from pipeline.weights.ensembles import assemble
from pipeline.weights.files import Progress, remove, sha256_of
from pipeline.weights.records import RECORD, Added, InstalledModel, InstallRecord, StoreRow, read_record, write_record
from pipeline.weights.terms import install_command, require_licence

if TYPE_CHECKING:
    from filelock import BaseFileLock

_MODEL = "model.onnx"


class ModelStore:
    """The user's models.

    Args:
        models_dir: Where they are kept; made when the first one is pulled.
        cards: The known cards; by default those that come with Knownface and those in `models_dir/cards`.
    """

    def __init__(self, models_dir: Path, cards: Mapping[str, Card] | None = None) -> None:
        self.models_dir = models_dir
        self._given = cards
        self._cards: dict[str, Card] | None = None

    @property
    def cards_dir(self) -> Path:
        """Where cards of models added by hand are kept."""
        return self.models_dir / "cards"

    @property
    def fetch_dir(self) -> Path:
        """Where downloads under way and locks are kept; made if need be."""
        folder = self.models_dir / ".fetch"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def shipped_cards(self) -> Mapping[str, Card]:
        """The cards this store was given, or those that come with Knownface."""
        return load_cards() if self._given is None else self._given

    @property
    def cards(self) -> Mapping[str, Card]:
        """Every known card by name; one added by hand wins."""
        if self._cards is None:
            self._cards = dict(sorted({**self.shipped_cards, **load_cards((self.cards_dir,))}.items()))
        return self._cards

    def card(self, name: str) -> Card:
        """The card of this name.

        Raises:
            CardError: There is none, or it is invalid.
        """
        if self._cards is None and self._given is None:  # a start needs three cards, not all of them
            for folder in (self.cards_dir, cards_dir()):
                if Path(name).name == name and (file := folder / f"{name}.toml").is_file():
                    return Card.read(file)
        if name not in self.cards:
            known = "`knownface models list` shows those there are"
            fuse = f"; `knownface models fuse {name.replace('+', ' ')} --folder DIR` makes one" if "+" in name else ""
            raise CardError(f"{name}: no such model; {known}{fuse}")
        return self.cards[name]

    def networks(self, name: str) -> list[str]:
        """The models whose networks a name stands for: the members of an ensemble, else itself."""
        known = "+" in name or name in self.cards
        return [member.name for member in self.card(name).members] or [name] if known else [name]

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
        card = self.card(name)
        if card.members:
            return assemble(card, self.models_dir, self.installed)
        return self._model(card, self._check(card, full=False))

    def verify(self, name: str) -> InstalledModel:
        """The same, but always hashes the file.

        Raises:
            CardError, ModelMissingError, ModelDamagedError: As `installed` does.
        """
        card = self.card(name)
        if card.members:
            return assemble(card, self.models_dir, self.verify)
        return self._model(card, self._check(card, full=True))

    def list(self) -> list[StoreRow]:
        """Every known model, by name."""
        rows = []
        for card in self.cards.values():
            try:
                model = self.installed(card.name)
            except ModelMissingError:
                rows.append(StoreRow(card, None, 0, ""))
            except (CardError, ModelDamagedError) as error:
                rows.append(StoreRow(card, None, 0, error.message))
            else:
                size = sum(part.file.stat().st_size for part in model.members or (model,))
                rows.append(StoreRow(card, model, size, ""))
        return rows

    def pull(
        self,
        name: str,
        *,
        accept_licence: bool = False,
        progress: Progress | None = None,
        archives: Path | None = None,
    ) -> InstalledModel:
        """Fetches, verifies, prepares and installs a model; returns at once if that was done before.

        Safe to call from several processes at the same time.

        Args:
            name: Of the model.
            accept_licence: The user accepts the licence of weights that may not be used commercially.
            progress: Told what is being fetched, bytes so far and bytes in all.
            archives: Of `sources.kept_archives`, where more is fetched.

        Raises:
            CardError: No model of this name is known.
            LicenceError: The licence has to be accepted first.
            FetchError, HashMismatchError: No source gave what the card promises.
        """
        card = self.card(name)
        if card.members:
            for member in card.members:
                self.pull(member.name, accept_licence=accept_licence, progress=progress, archives=archives)
            return self.installed(name)
        if (present := self.present(card)) is not None:
            return present
        require_licence(card, accepted=accept_licence)
        with self.lock(name):
            if (present := self.present(card)) is not None:  # another process was quicker
                return present
            return self._pull_from_any(card, progress, archives)

    def add(self, path: Path, *, card: Path | None = None, tag: str = "") -> Added:
        """Installs models from a file, a folder or a zip on this machine; see `pipeline.weights.add`."""
        from pipeline.weights.add import add_models  # noqa: PLC0415  imports onnx

        return add_models(self, path, card_file=card, tag=tag)

    def install(self, card: Card, source: Source, file: Path) -> InstalledModel:
        """Prepares a verified file by the card's transform and puts it in place with its record.

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
            (folder / RECORD).unlink(missing_ok=True)
            temporary.replace(folder / _MODEL)
        finally:
            temporary.unlink(missing_ok=True)
        status = (folder / _MODEL).stat()
        record = InstallRecord(
            sha256=found,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            inode=status.st_ino,
            source_sha256=file_hash(source) or sha256_of(file),
            origin=source.describe(),
            installed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_record(self.models_dir / card.name, record)
        return self._model(card, record)

    def record_runtime(self, name: str, runtime: RuntimeRecord) -> InstalledModel:
        """Remembers which runtime was measured to be fastest.

        Raises:
            CardError, ModelMissingError, ModelDamagedError: As `installed` does.
        """
        card = self.card(name)
        record = self._check(card, full=False).model_copy(update={"runtime": runtime})
        write_record(self.models_dir / name, record)
        return self._model(card, record)

    def uninstall(self, name: str) -> None:
        """Removes a model, and its card if that was added by hand."""
        with self.lock(name):
            remove(self.models_dir / name)
            remove(self.cards_dir / f"{name}.toml")
        self.forget_cards()

    def lock(self, name: str) -> BaseFileLock:
        """Lets one process at a time install this model or pack."""
        from filelock import FileLock  # noqa: PLC0415  a start that pulls nothing needs no lock

        return FileLock(self.fetch_dir / f"{name}.lock")

    def present(self, card: Card) -> InstalledModel | None:
        """The model as installed, if a pull would change nothing; else None."""
        try:
            record = self._check(card, full=False)
        except (ModelMissingError, ModelDamagedError):
            return None
        wanted = [(file_hash(source), source.result_sha256) for source in card.sources]
        fits = not wanted or any(
            before in (None, record.source_sha256) and after in (None, record.sha256) for before, after in wanted
        )
        return self._model(card, record) if fits else None

    def forget_cards(self) -> None:
        """Reads the cards again when they are next needed."""
        self._cards = None

    def _pull_from_any(self, card: Card, progress: Progress | None, archives: Path | None) -> InstalledModel:
        from pipeline.weights.sources import fetch  # noqa: PLC0415  only a pull fetches

        fetch_dir = self.fetch_dir / card.name
        fetch_dir.mkdir(exist_ok=True)
        problems: list[FetchError] = []
        for source in card.sources:
            try:
                installed = self.install(card, source, fetch(source, fetch_dir, progress, archives))
            except FetchError as error:
                problems.append(error)
                continue
            remove(fetch_dir)
            return installed
        if not problems:
            raise FetchError(f"{card.name}: its card names no source; add the file with `knownface models add`")
        kind = HashMismatchError if any(isinstance(p, HashMismatchError) for p in problems) else FetchError
        raise kind(f"{card.name}: " + " — then ".join(p.message for p in problems))

    def _check(self, card: Card, *, full: bool) -> InstallRecord:
        name = card.name
        record, file = read_record(self.models_dir / name), self.models_dir / name / _MODEL
        try:
            status = file.stat()
        except OSError:
            record = None
        if record is None:
            raise ModelMissingError(f"the model {name} is not installed: run {install_command(card)}")
        seen = record.seen_as(status)
        changed = seen != record
        if full or changed:
            if status.st_size != record.size or sha256_of(file) != record.sha256:
                raise ModelDamagedError(f"{file}: is not the file that was installed: run {install_command(card)}")
            if changed:  # only its times or place: a copied or restored folder
                record = seen
                with contextlib.suppress(OSError):  # a folder that may only be read: hashed at each start instead
                    write_record(self.models_dir / name, record)
        return record

    def _model(self, card: Card, record: InstallRecord) -> InstalledModel:
        file = self.models_dir / card.name / _MODEL
        return InstalledModel(card, file, record.sha256, record.runtime, record.origin, record.installed_at)
