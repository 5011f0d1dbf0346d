"""A whole run (`identify --run`) against a straightforward loop and against the bare runtimes; kills; memory.

    scripts/bench batch [--photos DIR] [--count 160] [--large 12] [--rounds 3]   some minutes on two cores
    scripts/bench batch --kills 20 [--files 3100]                                about 4 minutes
    scripts/bench batch --memory [--files 3000] [--real]                         about 5 minutes (estimated)

`--memory` puts a stand-in in place of the recognition network, which stays loaded; with `--real` nothing is replaced,
and it takes several times as long.

Throughput: all contenders take turns round by round; the medians of each round's ratios of photos per second are
reported. The loops get the first quarter of the photos. `plain` and `default` are runs from the folder to the ledger:
walk, read, hash, decode, detect, align, embed, thumbnails, search, decide, commit. `plain` has the same two models at
the loop's detection size; `default` is what users get: O-Net, and large photos detected at up to detection_max_side.

- insightface: `_insightface_loop`, at the same detection size, and at the package's usual 640.
- runtime alone: the same sessions and streams, fed with blobs that were decoded, resized and aligned beforehand.

`large` is the same on 12-megapixel JPEGs that are made for it: a face of 500 to 900 pixels in a textured scene.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from app.runs.session import Plan, Session
from app.services import Services
from pipeline.build import build_recognizer, start_loading
from pipeline.config import Settings
from pipeline.gallery import Gallery, NewSample
from pipeline.images import open_photo
from pipeline.recognizer import Recognizer
from pipeline.weights import ModelStore
from scripts.benches._batch_folder import large_photos
from scripts.benches._insightface_loop import InsightFaceLoop, OrtLoop

_SUBJECTS = 1000
_LARGE_SIDE = 640
_CHUNK = 8


def run(arguments: list[str]) -> dict:
    parser = argparse.ArgumentParser(prog="bench batch")
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/lfw-dev/images"))
    parser.add_argument("--count", type=int, default=160)
    parser.add_argument("--large", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--files", type=int)
    options = parser.parse_args(arguments)
    if options.kills is not None:
        from scripts.benches._batch_kills import kills

        return kills(options.photos, options.files or 3000, options.kills)
    if options.memory:
        from scripts.benches._batch_memory import memory

        return memory(options.photos, options.files or 3000, real=options.real)
    files = sorted(options.photos.rglob("*.jpg"))[: options.count]
    settings = Settings.load()
    with tempfile.TemporaryDirectory() as folder:
        large = large_photos(Path(folder) / "large", options.large, files)
        small_side = max(settings.detection_min_side, 250)
        return {
            "photos": len(files),
            "large_photos": len(large),
            "rounds": options.rounds,
            "loop": "insightface" if _has_insightface() else "onnxruntime (insightface is not installed)",
            "small": compare(settings, files, small_side, options.rounds, Path(folder) / "small"),
            "large": compare(settings, large, _LARGE_SIDE, options.rounds, Path(folder) / "big"),
        }


def compare(settings: Settings, files: list[Path], side: int, rounds: int, folder: Path) -> dict:
    """Photos per second of every contender, and the ratios of the rounds."""
    store = ModelStore(settings.models_dir)
    models = store.installed(settings.detector).file, store.installed(settings.embedder).file
    loop = InsightFaceLoop if _has_insightface() else OrtLoop
    photos = folder / "photos"
    for number, file in enumerate(files):
        link = photos / f"{number:05d}{file.suffix}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())
    plain = settings.model_copy(
        update={"refiner": "none", "detection_max_side": max(side, 320), "detection_min_side": min(side, 320)}
    )
    fewer = files[: max(1, len(files) // 4)]
    contenders = {
        "loop": loop(*models, fewer, side),
        "loop at 640": loop(*models, fewer, 640),
        "plain": Ours(plain, photos, folder / "plain"),
        "default": Ours(settings, photos, folder / "default"),
        "runtime alone": Alone(plain, files),
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    cpu: dict[str, list[float]] = {name: [] for name in contenders}
    faces = {}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            start, cpu_start = time.perf_counter(), time.process_time()
            faces[name] = contender()
            took, cpu_took = time.perf_counter() - start, time.process_time() - cpu_start
            photos_done = len(fewer) if name.startswith("loop") else len(files)
            if number:  # the first round warms up
                rates[name].append(photos_done / took)
                cpu[name].append(cpu_took / photos_done * 1e3)

    def ratio(one: str, other: str) -> float:
        return round(statistics.median(a / b for a, b in zip(rates[one], rates[other], strict=True)), 3)

    return {
        "detection_side": side,
        "faces": faces,
        "photos_per_second": {name: round(statistics.median(all_), 2) for name, all_ in rates.items()},
        "cpu_ms_per_photo": {name: round(statistics.median(all_), 1) for name, all_ in cpu.items()},
        "plain_to_loop": ratio("plain", "loop"),
        "plain_to_loop_at_640": ratio("plain", "loop at 640"),
        "default_to_loop": ratio("default", "loop"),
        "default_to_loop_at_640": ratio("default", "loop at 640"),
        "plain_to_runtime_alone": ratio("plain", "runtime alone"),
    }


def _has_insightface() -> bool:
    return importlib.util.find_spec("insightface") is not None


class Ours:
    """A run from nothing, with a new ledger each time, and a gallery of a thousand."""

    def __init__(self, settings: Settings, photos: Path, folder: Path) -> None:
        self.recognizer, self.photos, self.folder = build_recognizer(settings), photos, folder
        self.settings = settings.model_copy(update={"gallery": str(folder / "gallery")})
        rng = np.random.default_rng(0)
        rows = rng.standard_normal((_SUBJECTS, self.recognizer.dimension)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        with Gallery.open(folder / "gallery", self.recognizer.model_id, self.recognizer.dimension) as gallery:
            gallery.enrol_many([(f"subject {number}", sample(number, row)) for number, row in enumerate(rows)])

    def __call__(self) -> int:
        services = Services(self.settings)
        services._recognizer = self.recognizer
        with tempfile.TemporaryDirectory(dir=self.folder) as home:
            with Session(services, Plan("r", (str(self.photos),), home=Path(home)), Silent()) as session:
                session.once()
            faces = session.run.progress()["faces"]
        services.close()
        return faces


class Silent:
    """Listens to a run and says nothing."""

    def standing(self, *_) -> None: ...
    def note(self, *_) -> None: ...
    def ready(self, *_) -> None: ...
    def committed(self, *_) -> None: ...
    def decided(self, *_) -> None: ...


class Alone:
    """The sessions on blobs that were made beforehand, in as many streams as the pipeline has."""

    def __init__(self, settings: Settings, files: list[Path]) -> None:
        stack = start_loading(settings)
        self.recognizer = build_recognizer(settings, stack=stack)
        self.detector, self.embedder = stack.detector[1], stack.embedder[1][0]
        self.workers = settings.worker_count
        self.chunks = [self._blobs(files[low : low + _CHUNK]) for low in range(0, len(files), _CHUNK)]

    def _blobs(self, files: list[Path]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """What the two networks are fed for a chunk: passes of the detector, passes of the embedder."""
        fed: dict[str, list[np.ndarray]] = {"detector": [], "embedder": []}
        recorded = Recognizer(self.recognizer._detector, None, self.recognizer._aligner, self.recognizer._embedder)
        stages = {"detector": recorded._detector, "embedder": recorded._embedder}
        sessions = {name: stage._session for name, stage in stages.items()}
        for name, stage in stages.items():
            stage._session = Recorder(sessions[name], fed[name])
        recorded.analyse_batch([open_photo(file) for file in files])
        for name, stage in stages.items():
            stage._session = sessions[name]
        return fed["detector"], fed["embedder"]

    def __call__(self) -> int:
        with ThreadPoolExecutor(self.workers) as pool:
            return sum(pool.map(self._chunk, self.chunks))

    def _chunk(self, blobs: tuple[list[np.ndarray], list[np.ndarray]]) -> int:
        for blob in blobs[0]:
            self.detector.run({self.detector.inputs[0]: blob})
        for blob in blobs[1]:
            self.embedder.run({self.embedder.inputs[0]: blob})
        return sum(len(blob) for blob in blobs[1])


class Recorder:
    """A session that remembers what it was fed."""

    def __init__(self, session, fed: list[np.ndarray]) -> None:
        self.session, self.fed = session, fed
        self.inputs, self.outputs = session.inputs, session.outputs

    def run(self, inputs):
        self.fed += [np.array(blob) for blob in inputs.values()]
        return self.session.run(inputs)


def sample(number: int, vector: np.ndarray) -> NewSample:
    return NewSample(
        source=f"{number}.jpg",
        photo_sha256=f"{number:064x}",
        box=(0.0, 0.0, 1.0, 1.0),
        landmarks=np.zeros((5, 2), np.float32),
        confidence=0.9,
        image_hw=(1, 1),
        vector=vector,
        norm=9.0,
    )
