"""Reading a run: its files, its faces, and how far it is. Any process may read while another one writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from filelock import FileLock, Timeout

from app.runs import place, rows, schema
from app.runs.row_types import Box, Content, FaceRow, FileRow, Kind, Landmarks, NewFace, face_id
from app.sealed import Connection
from pipeline.errors import RunNotFoundError
from pipeline.types import F32, DecisionKind

if TYPE_CHECKING:
    from app.services import Services
    from pipeline.gallery.vault.files import FileKeys

__all__ = ["Box", "Content", "FaceRow", "FileRow", "Kind", "Landmarks", "NewFace", "Run", "face_id", "runs_of"]


class Run:
    """One run, read from its ledger.

    Args:
        folder: The folder of the run, `<home>/runs/NAME`.
        keys: Where the key comes from if the ledger is encrypted; without, reading one raises VaultLockedError.
    """

    def __init__(self, folder: Path, keys: FileKeys | None = None) -> None:
        self.folder, self.name, self.keys = folder, folder.name, keys
        self.file = folder / place.LEDGER

    @classmethod
    def open(cls, home: Path, name: str, keys: FileKeys | None = None) -> Self:
        """Opens a run of a data folder.

        Raises:
            RunNameError: The name cannot be used.
            RunNotFoundError: There is no such run.
        """
        run = cls(place.run_folder(home, name), keys)
        if not _is_made(run.file):
            there = ", ".join(other.name for other in runs_of(home)[:5]) or "none"
            raise RunNotFoundError(
                f"there is no run {name} (there are: {there}): start it with `knownface identify PATH... --run {name}`"
            )
        return run

    def connected(self) -> AbstractContextManager[Connection]:
        """A connection to its ledger. As `schema.connected`."""
        return schema.connected(self.file, self.keys)

    def snapshot(self) -> AbstractContextManager[Connection]:
        """A connection that sees one state of it. As `schema.snapshot`."""
        return schema.snapshot(self.file, self.keys)

    def files(self, only: Sequence[str] | None = None) -> Iterator[FileRow]:
        """Every file that is finished, by its path; or only these paths, as they are named."""
        with self.snapshot() as connection:
            yield from rows.files(connection, only)

    def faces(self, only: Sequence[str] | None = None) -> Iterator[FaceRow]:
        """Every face, by the first path of its photo and its number; each content once, however many paths it has.

        Args:
            only: SHA-256 of the contents that are wanted; None for all.
        """
        with self.snapshot() as connection:
            yield from rows.faces(connection, only)

    def thumbnail(self, face: str) -> bytes:
        """JPEG of one face.

        Raises:
            RunNotFoundError: The run has no such face.
        """
        (picture,) = self.thumbnails([face])
        return picture

    def thumbnails(self, faces: Iterable[str]) -> Iterator[bytes]:
        """JPEG of each of these faces, in their order; quicker than one by one.

        Raises:
            RunNotFoundError: The run has no such face.
        """
        with self.snapshot() as connection:
            for face in faces:
                row = rows.thumbnail(connection, face)
                if row is None:
                    raise RunNotFoundError(f"run {self.name} has no picture of a face {face}: name one of its result")
                yield row

    def vectors(self, which: Sequence[str] | DecisionKind | None = None) -> tuple[list[str], F32]:
        """The templates of faces, by their `face_id`, or of all that were decided so; None for all.

        Returns:
            The face_ids, and the vectors (N, D) float32 of unit length: those asked for in the order they were asked
            for (one that is not there is left out), else in the order of `faces`.
        """
        with self.snapshot() as connection:
            return rows.vectors(connection, which)

    def summary(self) -> dict[str, Any]:
        """What the run is about and what came of it: the same for every way that leads to the same result.

        `files`, `photos`, `videos`, `failed`, `errors` (code: files), `faces`, `decisions` (kind: faces), `subjects`
        (how many are named), `model_id`, `dimension`, `recipe`, `gallery` (generation, subjects), `operating_point`.
        """
        with self.snapshot() as connection:
            return rows.summary(connection)

    def progress(self) -> dict[str, Any]:
        """How far it is: `state`, `total`, `done`, `failed`, `faces`, `pid`, `started`, `finished` (ISO, or None).

        `state`: `walking`, `running`, `deciding`, `watching`, `finished`, or `stopped` where its process is gone before
        the end. `total` may still grow while it is walking. It takes no key.
        """
        with schema.snapshot(self.file, look=False) as connection:
            meta = rows.open_meta(connection)
            counts = dict(connection.execute("select state, count(*) from files group by state").fetchall())
            (faces,) = connection.execute("select count(*) from faces").fetchone()
        state = meta.get("state", "stopped")
        if state != "finished" and not self.is_busy():
            state = "stopped"
        return {
            "run": self.name,
            "state": state,
            "total": sum(counts.values()),
            "done": counts.get("done", 0) + counts.get("failed", 0),
            "failed": counts.get("failed", 0),
            "faces": faces,
            "pid": meta.get("pid"),
            "started": meta.get("started"),
            "finished": meta.get("finished"),
        }

    def is_busy(self) -> bool:
        """Whether a process works on it now."""
        with suppress(Timeout), FileLock(self.folder / place.LOCK, timeout=0, mode=0o600):
            return False
        return True

    def meta(self) -> dict[str, Any]:
        """What the ledger says about the run as a whole: its `roots`, `model_id`, `recipe` and the like."""
        with self.snapshot() as connection:
            return rows.meta(connection)

    def set_clusters(self, clusters: Mapping[str, str | None]) -> None:
        """Keeps which cluster each face belongs to, None for none; faces that are not named keep theirs."""
        with self.connected() as connection, schema.transaction(connection):
            for name, cluster in clusters.items():
                rows.set_cluster(connection, name, cluster)

    def decide(self, services: Services) -> int:
        """Searches and decides faces anew, from their stored vectors, where the gallery or the point has changed.

        Returns:
            How many faces were decided.

        Raises:
            ModelMismatchError: The run was made with another model than the one in use.
            NoOperatingPointError: Nothing says which score is a match.
        """
        from app.runs.decide import decide

        return decide(self, services)


def runs_of(home: Path, keys: FileKeys | None = None) -> list[Run]:
    """Every run of a data folder, by its name."""
    folder = place.runs_folder(home)
    if not folder.is_dir():
        return []
    return [Run(one, keys) for one in sorted(folder.iterdir()) if _is_made(one / place.LEDGER)]


def _is_made(ledger: Path) -> bool:
    """Whether there is a ledger; an empty file is one that is being made."""
    return ledger.is_file() and ledger.stat().st_size > 0
