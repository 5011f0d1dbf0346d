"""Who is enrolled and who is searched, from folders with a sub-folder per person."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.evaluation.folders import people_in
from pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is enrolled with which photos, and which photos are searched.

    Attributes:
        enrolled: (subject, photo) of each enrolment.
        probes: (subject, photo) of each probe; the subject need not be enrolled.
        files: Path of each photo, by its name.
    """

    enrolled: Sequence[tuple[str, str]]
    probes: Sequence[tuple[str, str]]
    files: Mapping[str, Path]


def plan_of_folders(gallery: Path, probes: Path) -> Plan:
    """Two folders with a sub-folder per person. A probe whose person has none in the gallery's is non-mated.

    Raises:
        ConfigError: One of them has no photos in sub-folders.
    """
    parts: dict[str, list[tuple[str, str]]] = {}
    files: dict[str, Path] = {}
    for role, folder in (("gallery", gallery), ("probes", probes)):
        people = people_in(folder)
        parts[role] = [(person, f"{role}/{name}") for person, names in people.items() for name in names]
        files |= {f"{role}/{name}": folder / name for names in people.values() for name in names}
    return Plan(parts["gallery"], parts["probes"], files)


def plan_of_one_folder(folder: Path, *, photos: int = 1, seed: int = 0) -> Plan:
    """One folder: people with more than `photos` photos are enrolled with so many, drawn; all other photos are probes.

    Raises:
        ConfigError: Nobody has so many photos, or everybody has.
    """
    people = people_in(folder)
    rng = np.random.default_rng(seed)
    enrolled, probes = list[tuple[str, str]](), list[tuple[str, str]]()
    for person, names in people.items():
        chosen = set(rng.permutation(len(names))[:photos].tolist()) if len(names) > photos else set()
        for place, name in enumerate(names):
            (enrolled if place in chosen else probes).append((person, name))
    if not enrolled or len({person for person, _ in enrolled}) == len(people):
        few = f"people with more than {photos} photos to enrol, and others to be unknown"
        raise ConfigError(f"{folder}: needs {few}; or give --gallery DIR and --probes DIR")
    return Plan(enrolled, probes, {name: folder / name for names in people.values() for name in names})


def probes_enrolled(plan: Plan) -> int:
    """How many probes are, byte for byte, a photo that somebody is enrolled with: finding those proves nothing."""
    photos = {photo for _, photo in (*plan.enrolled, *plan.probes)}
    names = [name for name in photos if plan.files[name].is_file() and os.access(plan.files[name], os.R_OK)]
    sizes = {name: plan.files[name].stat().st_size for name in names}
    often = Counter(sizes.values())
    hashes = {
        name: hashlib.sha256(plan.files[name].read_bytes()).digest() for name, size in sizes.items() if often[size] > 1
    }
    enrolled = {hashes[photo] for _, photo in plan.enrolled if photo in hashes}
    return sum(hashes.get(photo) in enrolled for _, photo in plan.probes)
