"""How the networks run fastest on this machine, measured end to end: from the photo's file to the template.

One thing after the other is tried beside the best so far, in turns, on the same photos: the runtime of each stage,
streams and threads, faces at once, and then the exported siblings of the embedder. What is not clearly faster is not
taken.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.photos import open_source
from pipeline.build import Stack, build_recognizer
from pipeline.config import Settings
from pipeline.errors import ConfigError, RuntimeUnavailableError
from pipeline.loading import FACES_AT_ONCE
from pipeline.protocols import Session
from pipeline.recognizer import Faces, Recognizer
from pipeline.runtime import load_session
from pipeline.tuned import Tuned, machine_here, read_tuned, versions_here, write_tuned
from pipeline.weights import InstalledModel, ModelStore

_CLEARLY = 1.03  # times as fast as the best so far
RUNTIMES = ("onnxruntime", "openvino")
_BATCHES = (1, 8, 16, 32)
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Setup:
    """One way to run the pipeline.

    Attributes:
        embedder: Name of its card.
        precision: Of the embedder.
        runtimes: Of detector, refiner (if any) and embedder.
        workers: Parallel streams.
        threads: Of one call.
        batch: Faces in one pass through the embedder.
    """

    embedder: str
    precision: str
    runtimes: tuple[str, ...]
    workers: int
    threads: int
    batch: int

    @property
    def words(self) -> str:
        """For people."""
        stages = "/".join(self.runtimes)
        return (
            f"{self.embedder} ({self.precision}), {stages}, {self.workers}x{self.threads} threads, {self.batch} faces"
        )


class Bench:
    """Measures setups on photos.

    Args:
        settings: Which models; where they lie.
        photos: Files; each pass looks at all of them.
        rounds: Passes of each setup that count, after one to warm up.
        note: Told what is being done.

    Raises:
        ConfigError: There are no photos, or the embedder is an ensemble.
    """

    def __init__(self, settings: Settings, photos: Sequence[Path], rounds: int, note: Note) -> None:
        if not photos:
            raise ConfigError("no photos to measure on: name a folder with --photos DIR")
        self._settings, self._photos, self._rounds, self._note = settings, photos, rounds, note
        store = ModelStore(settings.models_dir)
        front = [settings.detector, *([] if settings.refiner == "none" else [settings.refiner])]
        self.front = [store.installed(name) for name in front]
        self.embedder = store.installed(settings.embedder)
        if self.embedder.members:
            raise ConfigError(f"{settings.embedder}: an ensemble is not tuned as one; tune a single embedder")
        self.siblings = _siblings(store, self.embedder)
        self._cores = os.cpu_count() or 1
        self._ready: dict[Setup, Recognizer] = {}
        self._sessions: dict[tuple[str, str, int, int], Session] = {}
        self.measured: dict[Setup, float] = {}
        self.faces = 0

    @property
    def plain(self) -> Setup:
        """ONNX Runtime, fp32, one photo after the other, all cores for each: what a plain loop does."""
        runtimes = ("onnxruntime",) * (len(self.front) + 1)
        source = next((m for m in self.siblings if m.card.precision == "fp32"), self.embedder)
        return Setup(source.card.name, source.card.precision, runtimes, 1, self._cores, FACES_AT_ONCE)

    @property
    def usual(self) -> Setup:
        """What is used where nothing was tuned: each model in the runtime `models pull` found faster."""
        runtimes = tuple(_pulled(model) for model in (*self.front, self.embedder))
        card = self.embedder.card
        workers = self._settings.worker_count
        return Setup(card.name, card.precision, runtimes, workers, 1, FACES_AT_ONCE)

    def compare(self, setups: Sequence[Setup]) -> dict[Setup, float]:
        """Photos per second of each setup: the median of passes made in turns."""
        seconds: dict[Setup, list[float]] = {setup: [] for setup in dict.fromkeys(setups) if self._load(setup)}
        for number in range(self._rounds + 1):
            for setup, taken in seconds.items():
                start = time.perf_counter()
                self.faces = self._pass(setup)
                if number:
                    taken.append(time.perf_counter() - start)
        rates = {setup: len(self._photos) / statistics.median(taken) for setup, taken in seconds.items()}
        self.measured.update(rates)
        for setup, rate in rates.items():
            self._note(f"{rate:7.2f} photos/s  {setup.words}")
        return rates

    def best(self, start: Setup, others: Sequence[Setup]) -> Setup:
        """The fastest of them; `start` unless another is clearly faster."""
        rates = self.compare([start, *others])
        fastest = max(rates, key=lambda setup: rates[setup])
        return fastest if rates[fastest] > _CLEARLY * rates[start] else start

    def model_ids(self, setup: Setup) -> list[str]:
        """model_id of each stage, in the order of its runtimes."""
        return [model.model_id for model in (*self.front, self._model(setup))]

    def _model(self, setup: Setup) -> InstalledModel:
        return next(m for m in (self.embedder, *self.siblings) if m.card.name == setup.embedder)

    def _pass(self, setup: Setup) -> int:
        recognizer, limits = self._ready[setup], self._settings
        stream = recognizer.stream(
            self._photos,
            lambda file: open_source(file, max_bytes=limits.max_bytes, max_pixels=limits.max_pixels),
            workers=setup.workers,
        )
        return sum(len(faces) for _, faces in stream if isinstance(faces, Faces))

    def _load(self, setup: Setup) -> bool:
        """Loads it; False where its runtime is not there."""
        if setup not in self._ready:
            try:
                models = (*self.front, self._model(setup))
                pairs = [(m, self._session(m, r, setup)) for m, r in zip(models, setup.runtimes, strict=True)]
            except RuntimeUnavailableError:
                return False
            stack = Stack(
                detector=pairs[0],
                refiner=pairs[1] if len(pairs) > 2 else None,
                embedder=(pairs[-1][0], (pairs[-1][1],)),
                batch=setup.batch,
            )
            settings = self._settings.model_copy(update={"embedder": setup.embedder})
            self._ready[setup] = build_recognizer(settings, stack=stack)
        return True

    def _session(self, model: InstalledModel, runtime: str, setup: Setup) -> Session:
        """Loaded once for all setups that run it the same way."""
        key = model.model_id, runtime, setup.threads, setup.workers
        if key not in self._sessions:
            self._sessions[key] = load_session(model, runtime, setup.threads, streams=setup.workers)
        return self._sessions[key]


def tune(bench: Bench, settings: Settings) -> dict[str, Any]:
    """Finds the fastest setup of the embedder in use and of its siblings, keeps the first, and says what was measured.

    Returns:
        A JSON document: every setup with its photos per second, `chosen` for the embedder in use, `fastest` of all, and
        the file it was written to.
    """
    chosen = _tuned(bench, bench.usual)
    others = [_sibling_setup(chosen, model, runtime) for model in bench.siblings for runtime in RUNTIMES]
    fastest = bench.best(chosen, others) if others else chosen
    final = bench.compare([bench.plain, bench.usual, chosen, fastest])
    document = report(bench, [bench.plain, bench.usual, chosen, fastest], final)
    tuned = Tuned(
        machine=machine_here(),
        versions=versions_here(),
        models=tuple(bench.model_ids(chosen)),
        runtimes=dict(zip(bench.model_ids(chosen), chosen.runtimes, strict=True)),
        workers=chosen.workers,
        threads=chosen.threads,
        batch=chosen.batch,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        evidence=document,
    )
    file = write_tuned(settings, tuned)
    return document | {"chosen": asdict(chosen), "fastest": asdict(fastest), "kept_in": str(file)}


def in_use(bench: Bench, settings: Settings) -> Setup:
    """The setup that these settings give now: tuned, where that was done and holds."""
    tuned, usual = read_tuned(settings), bench.usual
    if tuned is None:
        return usual
    ids = bench.model_ids(usual)
    runtimes = tuple(tuned.runtimes.get(name, old) for name, old in zip(ids, usual.runtimes, strict=True))
    if not tuned.holds_for(ids):
        return replace(usual, runtimes=runtimes)
    workers = settings.workers or tuned.workers
    return replace(usual, runtimes=runtimes, workers=workers, threads=tuned.threads, batch=tuned.batch)


def report(bench: Bench, shown: Sequence[Setup], rates: dict[Setup, float]) -> dict[str, Any]:
    """What was measured, the setups `shown` last and in one run."""
    plain = rates[bench.plain]
    names = ("plain", "untuned", "in use", "fastest")
    return {
        "machine": machine_here(),
        "versions": versions_here(),
        "faces": bench.faces,
        "end_to_end": [
            {"what": what, **asdict(setup), "photos_per_second": rates[setup], "times_plain": rates[setup] / plain}
            for what, setup in zip(names, shown, strict=False)
        ],
        "tried": [{**asdict(setup), "photos_per_second": rate} for setup, rate in bench.measured.items()],
        "parity": [
            {"model": model.model_id, **model.card.parity.model_dump()}
            for model in (bench.embedder, *bench.siblings)
            if model.card.parity
        ],
    }


def _tuned(bench: Bench, start: Setup) -> Setup:
    """Greedily: runtimes, then streams and threads, then faces at once."""
    best = bench.best(start, list(_other_runtimes(start)))
    best = bench.best(best, [replace(best, workers=w, threads=t) for w, t in _shapes(os.cpu_count() or 1)])
    return bench.best(best, [replace(best, batch=batch) for batch in _BATCHES])


def _other_runtimes(setup: Setup) -> Iterator[Setup]:
    """One stage at a time in the other runtime."""
    other = dict(zip(RUNTIMES, reversed(RUNTIMES), strict=True))
    for stage, runtime in enumerate(setup.runtimes):
        changed = (*setup.runtimes[:stage], other[runtime], *setup.runtimes[stage + 1 :])
        yield replace(setup, runtimes=changed)


def _shapes(cores: int) -> list[tuple[int, int]]:
    """Streams and threads of each: together as many as there are cores, and one more stream than cores."""
    shapes = [(cores // threads, threads) for threads in range(1, cores + 1) if cores % threads == 0]
    return [*shapes[:4], shapes[-1], (cores + 1, 1)]


def _sibling_setup(like: Setup, model: InstalledModel, runtime: str) -> Setup:
    runtimes = (*like.runtimes[:-1], runtime)
    return replace(like, embedder=model.card.name, precision=model.card.precision, runtimes=runtimes)


def _siblings(store: ModelStore, model: InstalledModel) -> list[InstalledModel]:
    """Installed models that were exported from this one, or that it was exported from: all of them passed parity."""
    source = model.card.parity.source if model.card.parity else model.model_id
    found = [row.installed for row in store.list() if row.installed and row.installed.model_id != model.model_id]
    return [one for one in found if source in (one.model_id, one.card.parity.source if one.card.parity else "")]


def _pulled(model: InstalledModel) -> str:
    return model.runtime.runtime if model.runtime else "onnxruntime"
