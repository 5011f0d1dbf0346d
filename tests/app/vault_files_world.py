"""A data folder in which much has happened, beside an encrypted gallery or another; and all that can be asked of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from app.evaluation.cache import EmbeddingCache
from app.kept import cache_file
from app.runs import Run, runs_of
from app.runs.forget import held_of
from app.runs.output.again import remember
from app.runs.session import Plan, Session
from app.services import Services
from app.traces import scan
from app.unknowns import assign_clusters, name_cluster, registry_of
from app.vault_files import Vaulted
from app.vaults import vaulted
from pipeline.config import Settings
from pipeline.errors import NoFaceError
from pipeline.gallery import Gallery, KeyPlaces
from pipeline.gallery.vault.master import MasterKey
from pipeline.gallery.vault.work import Vaulting
from tests.app_runs import Told
from tests.fakes import DIMENSION, MODEL_ID, fake_recognizer, points

KEY = MasterKey(bytes(range(32)))
ANN, EVE = "Annegret Zwetschkenbaum", "Evelina Quastenflosser"
TEXTS = ("Zwetschkenbaum", "Quastenflosser", "holiday-in-Ulm", "broken-Xaver")


def standing(vault: Vaulting) -> Vaulted:
    found = vaulted(vault.now())
    assert found is not None
    return found


def os_name(name: bytes) -> str:
    return os.fsdecode(name)


def made(home: Path, monkeypatch: pytest.MonkeyPatch, *, encrypted: bool, location: str | None = None) -> Services:
    settings = Settings(home=home, workers=2, keep_crops=True)
    services = Services(settings if location is None else settings.model_copy(update={"gallery": location}))
    services._recognizer = fake_recognizer()
    place = services.settings.gallery_location
    services._gallery = Gallery.open(place, MODEL_ID, DIMENSION, keys=KeyPlaces(KEY.text))
    services.__dict__["points"] = points()
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", KEY.text)
    if encrypted:
        services.gallery.vault().init(KEY)
    return services


def looked_at(services: Services, photos: Path, name: str = "r") -> Run:
    with Session(services, Plan(name, (str(photos),)), Told()) as session:
        session.once()
    return session.run


def lived(services: Services, photos: Path) -> None:
    """A run, somebody enrolled afterwards, an unknown person who is named, renamed; results; a cache."""
    run = looked_at(services, photos)
    services.enrol(ANN, [photos / ANN / "0.png"])
    run.decide(services)
    assign_clusters(run, services)
    registry = registry_of(services)
    name_cluster(services, registry, min(registry.clusters()), "Evelina")
    services.rename("Evelina", EVE)
    remember(run, photos / "out", ("csv",), assets=False)
    vectors = run.vectors()[1]
    EmbeddingCache(cache_file(services.settings.home), "recipe", DIMENSION, services.file_keys).put(
        [("a" * 64, vectors[0]), ("b" * 64, NoFaceError("b", "nobody"))]
    )


def seen(services: Services) -> dict[str, Any]:
    """Everything that can be asked of the files beside the gallery."""
    home, keys = services.settings.home, services.file_keys
    found: dict[str, Any] = {}
    for run in runs_of(home, keys):
        faces = list(run.faces())
        ids, vectors = run.vectors()
        summary = run.summary() | {"gallery": None}
        meta = {key: run.meta()[key] for key in ("roots", "recipe", "results", "model_id") if key in run.meta()}
        found[run.name] = [faces, list(run.files()), ids, vectors.tolist(), summary, meta, run.progress()["total"]]
        found[run.name] += [list(run.thumbnails(ids)), list(run.faces([faces[0].sha256]))]
        found[run.name] += [list(run.files([row.path])) for row in run.files()]
        found[run.name].append(run.vectors([face.face_id for face in faces[:3]])[1].tolist())
    registry = registry_of(services)
    found["clusters"] = (registry.clusters(), registry.subjects())
    cache = EmbeddingCache(cache_file(home), "recipe", DIMENSION, keys)
    kept = cache.get(["a" * 64, "b" * 64])
    found["cache"] = {photo: None if vector is None else vector.tolist() for photo, vector in kept.items()}
    found["held"] = held_of(home, subject=EVE, keys=keys)
    return found


def readable(services: Services, needles: list[Any]) -> set[str]:
    """What of people stands in any file of the data folder, or of the gallery in it."""
    home = services.settings.home
    found: set[str] = {trace.what for trace in scan([home], needles).traces}
    for file in home.rglob("*"):
        data = file.read_bytes() if file.is_file() else b""
        found |= {text for text in TEXTS if text.encode() in data}
    return found
