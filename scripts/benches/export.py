"""The embedder in fp32, fp16 and int8, in each runtime and batch; and end to end, tuned against plain ONNX Runtime.

Everything happens in a data folder of its own, to which the installed models are linked. fp16 and int8 are exported as
by `knownface export` (int8 calibrated on every fourth person of --photos, the report on the others), and take part even
where the default tolerance refuses them: `parity` says so. One thread; medians of milliseconds per face, in turns.
`end_to_end` is what `bench --tune` measures, from the photo's file to the template.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from app.evaluation.output import Run
from app.exporting.faces import FaceReader, FaceSet
from app.exporting.parity import Tolerance, summary
from app.exporting.run import MEAN_COSINE, Request, export, installed_source
from app.photos import photos_in
from app.tuning import Bench, tune
from pipeline.config import Settings
from pipeline.onnx_runtime import OnnxRuntimeSession
from pipeline.runtime import OpenVinoSession, choose_runtime
from pipeline.stage_models import build_embedder
from pipeline.types import AlignedFaces
from pipeline.weights import ModelStore

PRECISIONS = ("fp16", "int8")
BATCHES = (1, 4, 8, 32)


def run(arguments: list[str]) -> dict:
    parser = argparse.ArgumentParser(prog="bench export")
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/lfw-dev/images"))
    parser.add_argument("--faces", type=int, default=400, help="of the parity report, and as many again to calibrate")
    parser.add_argument("--count", type=int, default=32, help="photos of a pass, end to end")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    real = Settings.load()
    with tempfile.TemporaryDirectory(prefix="knownface-bench-") as place:
        settings = real.model_copy(update={"home": linked(Path(place) / "home", real)})
        store = ModelStore(settings.models_dir)
        source = installed_source(store.installed(settings.embedder))
        reader = FaceReader(settings, source.card, aligned=False, watch=lambda items, _: items)
        every = reader.folder(options.photos, "faces")
        faces = every.rows(every.owners % 4 != 0).at_most(options.faces)
        calibration = every.rows(every.owners % 4 == 0).at_most(options.faces)
        files = {"fp32": (source.card, source.onnx)}
        reports = {}
        for precision in PRECISIONS:
            name = f"{source.card.name}-{precision}"
            request = Request(name, precision, Tolerance(-1.0, 10**9))
            used = calibration if precision == "int8" else None
            command = Run(f"scripts/bench export ({precision})", settings)
            made = export(source, request, Path(place), faces, used, command, lambda _: None)
            reports[precision] = judged(made, MEAN_COSINE[precision])
            (model,) = store.add(Path(made["onnx"])).models
            store.record_runtime(name, choose_runtime(model))
            files[precision] = (model.card, model.file)
        figures = {
            "cpu": cpu_flags(),
            "faces": len(faces),
            "ms_per_face": costs(files, faces, options.rounds),
            "parity": reports,
        }
        photos = photos_in(options.photos)[: options.count]
        bench = Bench(settings, photos, options.rounds, lambda _: None)
        measured = tune(bench, settings)
    rows = {row["what"]: row for row in measured["end_to_end"]}
    return figures | {
        "end_to_end": rows,
        "tuned_to_plain": rows["in use"]["times_plain"],
        "best_precision_to_plain": rows["fastest"]["times_plain"],
    }


def cpu_flags() -> str:
    """Which vector instructions the processor has: int8 pays with VNNI or AMX."""
    info = Path("/proc/cpuinfo")
    flags = (
        next((line for line in info.read_text().splitlines() if line.startswith("flags")), "") if info.exists() else ""
    )
    return " ".join(flag for flag in flags.split() if flag.startswith(("avx", "amx", "fma")) or "vnni" in flag)


def linked(home: Path, real: Settings) -> Path:
    (home / "models").mkdir(parents=True)
    for model in real.models_dir.iterdir():
        if not model.name.startswith("."):
            (home / "models" / model.name).symlink_to(model)
    return home


def judged(document: dict, mean_cosine: float) -> dict:
    """What the default tolerance says of an export that was let through for the bench."""
    worst, allowed = summary(document["parity"]), document["parity"]["tolerance"]["interval"]
    flips = {
        kind: max(
            f["flips"][f"{kind}_lost"] + f["flips"][f"{kind}_gained"] for f in document["parity"]["exported"].values()
        )
        for kind in ("mated", "non_mated")
    }
    passed = worst["mean_cosine"] >= mean_cosine and all(flips[kind] <= allowed[kind] for kind in flips)
    rates = {"source": document["parity"]["source_rates"]}
    rates |= {name: found["rates"] for name, found in document["parity"]["exported"].items()}
    size = {"bytes": document["size"], "of_source": document["size"] / document["source"]["size"]}
    return {"passed": passed, **worst, "flips": flips, "interval": allowed, "rates": rates, "size": size}


def costs(files: dict, faces: FaceSet, rounds: int) -> dict:
    embedders = {}
    for precision, (card, file) in files.items():
        sessions = OnnxRuntimeSession(file, precision=precision), OpenVinoSession(file, streams=1, precision=precision)
        for session in sessions:
            embedders[session.runtime] = build_embedder(card, session, f"{card.name}@00000000", max_batch=max(BATCHES))
    rows = np.arange(max(BATCHES)) % len(faces)
    aligned = AlignedFaces(faces.crops[rows], np.zeros((len(rows), 2, 3), np.float32))
    found: dict = {}
    for batch in BATCHES:
        ms: dict[str, list[float]] = {name: [] for name in embedders}
        for number in range(rounds + 1):
            for name, embedder in embedders.items():
                start = time.perf_counter()
                embedder.embed(aligned[:batch])
                if number:
                    ms[name].append(1000 * (time.perf_counter() - start) / batch)
        for name, taken in ms.items():
            found.setdefault(name, {})[f"batch {batch}"] = statistics.median(taken)
    return found
