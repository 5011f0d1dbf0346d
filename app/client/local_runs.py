"""What `Local` does with runs and the unknown people in them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from app.client.local_models import LocalModels
from app.client.photos import Brought, PhotoLike, in_run, upload_of
from app.client.rows import FailedFile, NamedUnknown, RunFace, RunState, Unknown, UnknownFace, UnknownInfo, run_row
from pipeline.errors import RunNotFoundError

if TYPE_CHECKING:
    from app.unknowns import Registry
    from pipeline.gallery import NewConsent

_ASK_S = 0.5


class LocalRuns(LocalModels):
    """Part of `Local`.

    Args:
        services: What does the work.
    """

    # --- unknown people ---------------------------------------------------------------------------------------

    def unknowns(self, *, everybody: bool = False) -> list[UnknownInfo]:
        """As `FaceService.unknowns`."""
        from app.unknowns import label

        registry = self._registry()
        subjects = registry.subjects()
        return [
            UnknownInfo(label(number), len(faces), subjects.get(number))
            for number, faces in sorted(registry.clusters().items(), key=lambda one: (-len(one[1]), one[0]))
            if everybody or len(faces) > 1 or number in subjects
        ]

    def unknown(self, cluster: str) -> Unknown:
        """As `FaceService.unknown`."""
        from app.unknowns import label, members

        registry = self._registry()
        number = registry.resolve(cluster)
        faces = tuple(
            UnknownFace(one.row.face_id, one.run.name, one.photo, one.row.box, one.row.quality)
            for one in members(self._services, registry, number)
        )
        aliases = tuple(label(one) for one in registry.aliases(number))
        return Unknown(label(number), registry.subjects().get(number), aliases, faces)

    def name_unknown(
        self, cluster: str, subject: str, *, samples: int = 5, consent: NewConsent | None = None
    ) -> NamedUnknown:
        """As `FaceService.name_unknown`."""
        from app.unknowns import name_cluster, write_again

        registry = self._registry()
        done = name_cluster(self._services, registry, registry.resolve(cluster), subject, samples, consent)
        write_again(self._services, registry)
        return NamedUnknown(done.cluster, done.subject, tuple(done.sample_ids), done.faces, done.recognised)

    def merge_unknowns(self, one: str, other: str) -> str:
        """As `FaceService.merge_unknowns`."""
        from app.unknowns import label, merge_clusters, write_again

        registry = self._registry()
        number = merge_clusters(self._services, registry, registry.resolve(one), registry.resolve(other))
        write_again(self._services, registry)
        return label(number)

    def split_unknown(self, cluster: str, face_ids: Iterable[str]) -> str:
        """As `FaceService.split_unknown`."""
        from app.unknowns import label, split_cluster, write_again

        registry = self._registry()
        number = split_cluster(self._services, registry, registry.resolve(cluster), list(face_ids))
        write_again(self._services, registry)
        return label(number)

    # --- runs -------------------------------------------------------------------------------------------------

    def runs(self) -> list[RunState]:
        """As `FaceService.runs`."""
        from app import batch

        return [_state(one) for one in batch.batches(self._home)]

    def run(self, name: str) -> RunState:
        """As `FaceService.run`."""
        from app import batch
        from app.runs.place import run_folder

        run_folder(self._home, name)
        found = batch.batch_of(self._home, name)
        if found is None:
            raise RunNotFoundError(f"there is no run {name}")
        return _state(found)

    def start_run(self, name: str, folder: str | Path) -> None:
        """As `FaceService.start_run`: a process of its own, which goes on when this one ends."""
        from app import batch

        batch.start_folder(self._services, name, str(Path(folder).absolute()))

    def start_run_of(self, name: str, photos: Iterable[PhotoLike]) -> int:
        """As `FaceService.start_run_of`; likewise."""
        from app import batch

        brought = []
        for photo in photos:
            upload = upload_of(photo)
            brought.append(Brought(in_run(upload.name), upload.data))
        return batch.start_brought(self._services, name, brought, keep=False)

    def follow(self, name: str) -> Iterator[RunState]:
        """As `FaceService.follow`."""
        last: RunState | None = None
        while last is None or not last.ended:
            state = self.run(name)
            if state != last:
                yield state
            else:
                time.sleep(_ASK_S)
            last = state

    def results(self, name: str) -> Iterator[RunFace | FailedFile]:
        """As `FaceService.results`."""
        from app.runs import Run
        from app.runs.documents import told_documents

        run = Run.open(self._home, name, self._services.file_keys)
        model_id = run.summary()["model_id"] or ""
        for document in told_documents(run):
            yield run_row(document, model_id)

    def stop_run(self, name: str) -> RunState:
        """As `FaceService.stop_run`."""
        from app import batch

        self.run(name)
        batch.stop(self._services, name)
        return self.run(name)

    def remove_run(self, name: str) -> None:
        """As `FaceService.remove_run`."""
        from app import batch

        self.run(name)
        batch.remove(self._services, name)

    # --- how --------------------------------------------------------------------------------------------------

    @property
    def _home(self) -> Path:
        return self._services.settings.home

    def _registry(self) -> Registry:
        from app.unknowns import refresh

        return refresh(self._services)


def _state(batch: object) -> RunState:
    return RunState(**{name: getattr(batch, name) for name in RunState.__slots__})
