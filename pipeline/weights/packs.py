"""InsightFace packs: pulled on request through the `insightface` package, since their weights are non-commercial."""

from __future__ import annotations

import contextlib
import importlib
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import FetchError, LicenceError
from pipeline.weights.card import Licence
from pipeline.weights.card_sources import PackSource
from pipeline.weights.files import Progress, check_hash, remove

if TYPE_CHECKING:
    from pipeline.weights.records import Added
    from pipeline.weights.store import ModelStore

#: The packs that `insightface` 2.1 offers for faces. `buffalo_l`, `buffalo_s` and `antelopev2` have cards with hashes.
PACKS = (
    "antelopev2",
    "buffalo_l",
    "buffalo_m",
    "buffalo_s",
    "buffalo_sc",
    "cheetah_l",
    "cheetah_s",
    "raccoon_l",
    "raccoon_s",
)
LICENCE = Licence(
    code="MIT (insightface)",
    weights="InsightFace: non-commercial research only",
    training_data="not stated in the pack",
    commercial_use=False,
    note="InsightFace sells licences for commercial use.",
)


def pull_pack(store: ModelStore, pack: str, *, accept_licence: bool = False, progress: Progress | None = None) -> Added:
    """Installs the detector and the embedder of a pack; what is installed already is left as it is.

    Raises:
        LicenceError: The licence has to be accepted first.
        FetchError: The `insightface` package is missing or cannot fetch the pack.
        HashMismatchError: A file is not what its card promises; nothing of it is kept.
    """
    from pipeline.weights.add import add_folder  # noqa: PLC0415  imports this module
    from pipeline.weights.records import Added  # noqa: PLC0415

    cards = store.in_pack(pack)
    present = [model for card in cards if (model := store.present(card))]
    if cards and len(present) == len(cards):
        return Added(tuple(present), ())
    if not accept_licence:
        raise LicenceError(
            f"{pack}: its weights are for non-commercial research only; if that suits you, run "
            f"`knownface models pull {pack} --accept-licence`"
        )
    with store.lock(pack):
        root = store.fetch_dir / f"pack-{pack}"
        folder = _download(pack, root, progress)
        sources = [(card, source) for card in cards for source in card.sources if isinstance(source, PackSource)]
        if not sources:
            added = add_folder(store, folder, tag=pack, pack=pack, licence=LICENCE, origin=f"InsightFace pack {pack}")
        else:
            models = [store.install(card, source, _member(folder, source)) for card, source in sources]
            added = Added(tuple(models), ())
        remove(root)
    return added


def fetch_pack_member(source: PackSource, folder: Path, progress: Progress | None = None) -> Path:
    """Fetches the pack and returns its one file, verified.

    Raises:
        FetchError: The `insightface` package is missing, cannot fetch the pack, or the pack has no such file.
        HashMismatchError: The file is not the one the card promises; it was removed.
    """
    return _member(_download(source.pack, folder / "pack", progress), source)


def _member(folder: Path, source: PackSource) -> Path:
    found = sorted(folder.rglob(source.member))  # antelopev2 lies in a folder inside its folder
    if not found:
        raise FetchError(f"the pack {source.pack} has no file {source.member}")
    if source.sha256:
        check_hash(found[0], source.sha256, source.describe())
    return found[0]


def _download(pack: str, root: Path, progress: Progress | None) -> Path:
    """The folder the `insightface` package unpacks a pack to."""
    try:
        storage = importlib.import_module("insightface.utils.storage")
    except ImportError as error:
        raise FetchError(
            f"the pack {pack} needs the insightface package: run `pip install 'knownface[insightface]'`, "
            "or add the pack from a folder or zip with `knownface models add`"
        ) from error
    if progress:
        progress(f"{pack}.zip", 0, None)
    remove(root)  # the package takes a folder that is there for a pack that is complete
    try:
        with contextlib.redirect_stdout(sys.stderr):  # it prints; stdout is for data
            return Path(storage.download("models", pack, force=True, root=str(root)))
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:  # requests' errors are OSErrors
        remove(root)
        raise FetchError(
            f"{pack}: the insightface package could not fetch it ({' '.join(str(error).split())})"
        ) from error
