"""The unknown faces of all runs into clusters, and what each run says of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations, groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.runs import Run
from app.unknowns.identity import label
from app.unknowns.registry import Registry
from pipeline.cluster import choose_cluster_point, cluster
from pipeline.errors import RunNotFoundError
from pipeline.types import F32

if TYPE_CHECKING:
    from app.services import Services


def registry_of(services: Services, home: Path | None = None) -> Registry:
    """The clusters of the gallery and model in use; in the data folder of the settings, or another one."""
    from pipeline.gallery import label_of

    settings = services.settings
    gallery = label_of(settings.gallery_location)
    return Registry(home or settings.home, gallery, services.gallery.model_id, services.file_keys)


def assign_clusters(run: Run, services: Services, registry: Registry | None = None) -> dict[str, str]:
    """Clusters this run's unknown faces with those of the other runs of this gallery and model.

    Faces whose photo was too poor to say no are left out, and so are ambiguous ones: the first have no template worth
    comparing, the second have two candidates already. Two faces of one photo are two people, unless the run allows
    repeats.

    Args:
        run: A run that is decided.
        services: The gallery and the operating points in use.
        registry: Of this gallery and model; by default that of the run's data folder.

    Returns:
        What the cluster of each unknown face of this run is called; the ledger holds it as well.

    Raises:
        NoOperatingPointError: None says who is alike.
        UnknownsBusyError: Another process has been clustering all this time.
    """
    registry = registry or registry_of(services, run.folder.parent.parent)
    with registry.held():
        registry.add_run(run.name)
        runs = runs_of_registry(services, registry)
        for other in runs:
            if other.name != run.name and not other.is_busy():
                other.decide(services)
        numbers = _cluster(services, registry, runs)
    ids, _ = run.vectors("unknown")
    return {face: label(numbers[face]) for face in ids if face in numbers}


def refresh(services: Services, registry: Registry | None = None, *, anew: bool = False) -> Registry:
    """Brings decisions and clusters of all runs up to date with the gallery, from stored vectors; returns the registry.

    A run that another process works on keeps its decisions.

    Args:
        services: The gallery and the operating points in use.
        registry: Of this gallery and model.
        anew: Cluster although no decision has changed: somebody has said something about the clusters.
    """
    registry = registry or registry_of(services)
    with registry.held():
        runs = runs_of_registry(services, registry)
        decided = [run.decide(services) for run in runs if not run.is_busy()]
        if anew or any(decided) or len(runs) != len(registry.runs()):
            _cluster(services, registry, runs)
    return registry


def runs_of_registry(services: Services, registry: Registry) -> list[Run]:
    """The runs of the registry that are still there and of its model."""
    found = []
    for name in registry.runs():
        try:
            run = Run.open(registry.home, name, registry.keys)
        except RunNotFoundError:
            continue
        if run.meta().get("model_id") == services.gallery.model_id:
            found.append(run)
    return found


def _cluster(services: Services, registry: Registry, runs: list[Run]) -> dict[str, int]:
    """Clusters the unknown faces of these runs; the ledgers are told. Returns the number of each face."""
    points = (*services.calibration(), *services.points)
    point = choose_cluster_point(points, services.gallery.model_id, services.settings.cluster_fpir)
    said = {run.name: {face.face_id: face.cluster for face in run.faces()} for run in runs}
    held = {face for faces in said.values() for face in faces}
    registry.keep_only([run.name for run in runs], held, [info.name for info in services.gallery.subjects()])
    ids, vectors = _unknown(runs)
    once = [face for run in runs if not run.meta().get("allow_repeats") for face in said[run.name]]
    wishes = registry.constraints(ids)
    apart = [*wishes.apart, *_same_photo(set(once).intersection(ids))]
    numbers = registry.update(cluster(ids, vectors, point.threshold, together=wishes.together, apart=apart))
    for run in runs:
        now = {face: label(numbers[face]) if face in numbers else None for face in said[run.name]}
        changed = {face: name for face, name in now.items() if name != said[run.name][face]}
        if changed:
            run.set_clusters(changed)
    return numbers


def _unknown(runs: Iterable[Run]) -> tuple[list[str], F32]:
    """The faces that are unknown, each once, and their vectors (N, D)."""
    ids: list[str] = []
    parts: list[F32] = []
    seen: set[str] = set()
    for run in runs:
        names, vectors = run.vectors("unknown")
        new = [row for row, name in enumerate(names) if name not in seen]
        ids += [names[row] for row in new]
        seen.update(names)
        if new:
            parts.append(vectors if len(new) == len(names) else vectors[new])
    if len(parts) == 1:
        return ids, parts[0]
    return ids, np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)


def _same_photo(ids: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of faces of one photo. In a video one person appears again and again, so its faces are not paired."""
    photos = sorted((*name.rpartition("-")[::2], name) for name in ids)
    for _, group in groupby(photos, key=lambda one: one[0]):
        yield from combinations((name for _, number, name in group if not number.startswith("t")), 2)
