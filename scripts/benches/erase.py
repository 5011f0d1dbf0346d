"""`scripts/bench erase`: how long erasing one person takes, beside runs of many faces.

A run is made with as many faces as asked for: vectors of 512 numbers, pictures of the size that a run keeps, and
decisions that name one of five hundred people. Then one of them is erased as `knownface subject erase` does it: the run
is decided anew, the person's faces go, and every file of the data folder is searched for what might be left.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from app import traces
from app.forgetting import forget_person, owe_results, rewrite_results
from app.runs.ledger import Done, Found, Ledger
from app.runs.output import FORMATS
from app.runs.output.again import write_and_note
from app.runs.records import Content, NewFace, runs_of
from app.services import Services
from pipeline.config import Settings, home
from pipeline.gallery import Gallery, NewSample
from pipeline.types import F32, OperatingPoint

_MODEL, _DIMENSION, _PEOPLE, _PICTURE = "bench.erase@00000000", 512, 500, 4000
_LANDMARKS = ((30.0, 40.0), (70.0, 40.0), (50.0, 60.0), (35.0, 80.0), (65.0, 80.0))


def run(arguments: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="scripts/bench erase")
    parser.add_argument("--faces", type=int, nargs="+", default=[10_000, 100_000], help="faces of the run")
    parser.add_argument("--samples", type=int, default=10, help="enrolled photos of the person who is erased")
    parser.add_argument("--results", action="store_true", help="the run has written tables and a report before")
    options = parser.parse_args(arguments)
    return {f"{count}": _measured(count, options.samples, results=options.results) for count in options.faces}


def _measured(faces: int, samples: int, *, results: bool) -> dict[str, float]:
    draw = np.random.default_rng(0)
    people = _unit(draw.normal(size=(_PEOPLE, _DIMENSION)))
    with tempfile.TemporaryDirectory(dir=home()) as folder:
        services = _services(Path(folder), people, samples)
        _make_run(Path(folder), people, faces, draw)
        name, gallery = "person 0000", services.gallery
        if results:
            (run,) = runs_of(services.settings.home)
            run.decide(services)
            write_and_note(run, Path(folder) / "out", FORMATS, assets=False)
        needles = traces.needles_of(gallery.export(name))
        began = time.perf_counter()
        forgotten, _ = forget_person(services, name)
        forgot = time.perf_counter()
        owe_results(services, needles)
        gallery.erase(name)
        gallery.load()
        erased = time.perf_counter()
        written = rewrite_results(services)
        decided = time.perf_counter()
        scan = traces.scan([Path(folder)], needles)
        ended = time.perf_counter()
        services.close()
    return {
        "faces_erased": forgotten.faces,
        "decide_and_forget_s": forgot - began,
        "erase_from_gallery_s": erased - forgot,
        "decide_again_s": decided - erased,
        "results_written": len(written.files),
        "search_for_traces_s": ended - decided,
        "searched_mb": scan.size / 1e6,
        "needles": len(needles),
        "traces": len(scan.traces),
        "whole_s": ended - began,
    }


def _unit(rows: Any) -> F32:
    found: F32 = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


def _services(folder: Path, people: F32, samples: int) -> Services:
    services = Services(Settings(home=folder, gallery=str(folder / "gallery")))
    services._gallery = gallery = Gallery.open(folder / "gallery", _MODEL, _DIMENSION)
    counts = [samples if number == 0 else 2 for number in range(_PEOPLE)]
    gallery.enrol_many(
        [
            (f"person {number:04}", _sample(number, one, people[number]))
            for number, count in enumerate(counts)
            for one in range(count)
        ]
    )
    shared = {"fnmr": 0.02, "non_mated": 10**6, "mated": 10**4, "threshold": 0.5, "model_id": _MODEL}
    shared |= {"measured_on": "made up", "fmr_upper": 0.01}
    fake: Any = SimpleNamespace(model_id=_MODEL)  # nothing is embedded
    services._recognizer = fake
    services.__dict__["points"] = (OperatingPoint(task="identify", fmr=0.001, gallery_size=_PEOPLE, **shared),)
    return services


def _sample(number: int, one: int, vector: F32) -> NewSample:
    noisy = _unit((vector + 0.2 * _unit(np.random.default_rng([number, one]).normal(size=(1, _DIMENSION)))[0])[None])[0]
    return NewSample(
        source=f"photos/{number}-{one}.jpg",
        photo_sha256=hashlib.sha256(f"enrolled {number} {one}".encode()).hexdigest(),
        box=(0.0, 0.0, 112.0, 112.0),
        landmarks=np.array(_LANDMARKS, np.float32),
        confidence=0.9,
        image_hw=(112, 112),
        vector=noisy,
        norm=20.0,
        crop=np.random.default_rng([number, one]).bytes(20_000),
    )


def _make_run(folder: Path, people: F32, faces: int, draw: np.random.Generator) -> None:
    with Ledger(folder, "bench") as ledger:
        for start in range(0, faces, 1000):
            rows = list(_faces(people, range(start, min(start + 1000, faces)), draw))
            ledger.seen([Found(path, "photo", 1, 1) for path, _ in rows], 1)
            ledger.put([content for _, content in rows], [Done(path, content.sha256) for path, content in rows])
        ledger.set_meta(model_id=_MODEL, dimension=_DIMENSION, state="finished", allow_repeats=False)


def _faces(people: F32, numbers: range, draw: np.random.Generator) -> Iterator[tuple[str, Content]]:
    noise = _unit(draw.normal(size=(len(numbers), _DIMENSION)))
    for number, row in zip(numbers, noise, strict=True):
        who = people[number % _PEOPLE] if number % 11 else row  # one in eleven is nobody who is enrolled
        vector = _unit((who + 0.3 * row)[None])[0]
        sha256 = hashlib.sha256(f"photo {number}".encode()).hexdigest()
        face = NewFace(
            box=(0.0, 0.0, 112.0, 112.0),
            landmarks=_LANDMARKS,
            confidence=0.9,
            vector=vector,
            norm=20.0,
            thumbnail=draw.bytes(_PICTURE),
        )
        yield f"/photos/{number}.jpg", Content(sha256, "photo", (112, 112), (face,))
