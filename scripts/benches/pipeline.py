"""Detect + align + embed: photos per second, our pipeline against two plain loops over the same two models.

All three get the same photos, in the same order, and take turns round by round; medians are compared. Every face is
embedded. `files` begins with the JPEG files (the loops read them with OpenCV), `arrays` with decoded photos.

- opencv: FaceDetectorYN and FaceRecognizerSF, one photo after the other, with each number of OpenCV threads.
- onnxruntime: the same loop over ONNX Runtime sessions, decoding YuNet by hand and aligning with
  FaceRecognizerSF.alignCrop, with each number of threads.
- knownface: `Recognizer.stream`, as many workers as cores. `plain` does exactly the same work as the loops: no landmark
  refiner, one scale, the loops' detection size. `default` is what users run: O-Net and at least 320 pixels.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

import cv2
import numpy as np

from pipeline.build import build_recognizer
from pipeline.config import Settings
from pipeline.detect import YuNetHead
from pipeline.images import Photo, from_array, open_photo
from pipeline.recognizer import Faces
from pipeline.runtime import OnnxRuntimeSession
from pipeline.weights import ModelStore


def run(arguments: list[str]) -> dict:
    parser = argparse.ArgumentParser(prog="bench pipeline")
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/lfw-dev/images"))
    parser.add_argument("--count", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    files = sorted(options.photos.rglob("*.jpg"))[: options.count]
    images = [open_photo(file).pixels() for file in files]
    settings = Settings.load()
    side = min(max(max(image.shape[:2]) for image in images), settings.detection_min_side)
    stack = Stacks(settings, side)
    return {
        "photos": len(files),
        "rounds": options.rounds,
        "files": compare(stack, files, options.rounds),
        "arrays": compare(stack, images, options.rounds),
    }


class Stacks:
    """The settings of `plain` and `default`, and the files of the two models."""

    def __init__(self, settings: Settings, side: int) -> None:
        store = ModelStore(settings.models_dir)
        self.models = (store.installed(settings.detector).file, store.installed(settings.embedder).file)
        self.default = settings
        self.plain = settings.model_copy(update={"refiner": "none", "detection_min_side": side})


def compare(stacks: Stacks, items: list, rounds: int) -> dict:
    threads = sorted({1, os.cpu_count() or 1})
    ours = {"plain": Ours(stacks.plain, items), "default": Ours(stacks.default, items)}
    contenders = {f"opencv, {n} threads": OpenCvLoop(*stacks.models, items, n) for n in threads}
    contenders |= {f"onnxruntime, {n} threads": OrtLoop(*stacks.models, items, n) for n in threads}
    contenders |= {f"knownface, {name}": loop for name, loop in ours.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    vectors = {}
    for round_number in range(rounds + 1):
        for name, loop in contenders.items():
            start = time.perf_counter()
            vectors[name] = loop()
            if round_number:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    rate = {name: len(items) / statistics.median(values) for name, values in seconds.items()}
    best = {kind: max(v for name, v in rate.items() if name.startswith(kind)) for kind in ("opencv", "onnxruntime")}
    one, other = vectors["knownface, plain"], vectors["onnxruntime, 1 threads"]
    agreement = [
        max(float(a @ b) for b in theirs) for mine, theirs in zip(one, other, strict=True) if theirs for a in mine
    ]
    return {
        "faces": {name: sum(map(len, rows)) for name, rows in vectors.items()},
        "runtimes": ours["default"].runtimes(),
        "photos_per_second": rate,
        "ratio_to_better_loop": {name: rate[f"knownface, {name}"] / max(best.values()) for name in ours},
        "ratio_to_opencv": {name: rate[f"knownface, {name}"] / best["opencv"] for name in ours},
        "ratio_to_onnxruntime": {name: rate[f"knownface, {name}"] / best["onnxruntime"] for name in ours},
        "share_of_time_in_runtime": {name: loop.share() for name, loop in ours.items()},
        "median_cosine_to_onnxruntime_loop": statistics.median(agreement),
    }


class OpenCvLoop:
    def __init__(self, yunet: Path, sface: Path, images, threads: int) -> None:
        self.detector = cv2.FaceDetectorYN.create(str(yunet), "", (320, 320), 0.6, 0.3, 5000)
        self.recognizer = cv2.FaceRecognizerSF.create(str(sface), "")
        self.images = [image if isinstance(image, Path) else np.ascontiguousarray(image[..., ::-1]) for image in images]
        self.threads = threads

    def __call__(self):
        before = cv2.getNumThreads()
        cv2.setNumThreads(self.threads)
        rows = []
        for item in self.images:
            image = cv2.imread(str(item)) if isinstance(item, Path) else item
            self.detector.setInputSize(image.shape[1::-1])
            _, faces = self.detector.detect(image)
            vectors = [
                unit(self.recognizer.feature(self.recognizer.alignCrop(image, face))[0])
                for face in sorted([] if faces is None else faces, key=lambda f: -f[2] * f[3])
            ]
            rows.append(vectors)
        cv2.setNumThreads(before)
        return rows


class OrtLoop:
    def __init__(self, yunet: Path, sface: Path, images, threads: int) -> None:
        self.detector, self.embedder = OnnxRuntimeSession(yunet, threads), OnnxRuntimeSession(sface, threads)
        self.aligner = cv2.FaceRecognizerSF.create(str(sface), "")
        self.images = [image if isinstance(image, Path) else np.ascontiguousarray(image[..., ::-1]) for image in images]
        self.head = YuNetHead()

    def __call__(self):
        rows = []
        for item in self.images:
            image = cv2.imread(str(item)) if isinstance(item, Path) else item
            height, width = image.shape[:2]
            canvas = cv2.copyMakeBorder(image, 0, -height % 32, 0, -width % 32, cv2.BORDER_CONSTANT)
            outputs = self.detector.run({"input": cv2.dnn.blobFromImage(canvas)})
            (raw,) = self.head.decode(outputs, canvas.shape[:2], 0.6)
            boxes = to_xywh(raw.boxes)
            keep = cv2.dnn.NMSBoxes(boxes, raw.confidences.tolist(), 0.6, 0.3) if len(boxes) else []
            vectors = []
            for row in sorted(keep, key=lambda i: -boxes[i, 2] * boxes[i, 3]):
                face = np.concatenate([boxes[row], raw.landmarks[row].ravel(), [raw.confidences[row]]])
                crop = self.aligner.alignCrop(image, face[None].astype(np.float32))
                blob = cv2.dnn.blobFromImage(crop, swapRB=True)
                outputs = self.embedder.run({self.embedder.inputs[0]: blob})
                vectors.append(unit(outputs[self.embedder.outputs[0]][0]))
            rows.append(vectors)
        return rows


class Ours:
    """Our pipeline, with a clock around every call of a runtime."""

    def __init__(self, settings: Settings, images) -> None:
        self.recognizer = build_recognizer(settings)
        self.images, self.workers = images, settings.worker_count
        stages = [self.recognizer._detector, self.recognizer._refiner, self.recognizer._embedder]
        self.clocks = [Clock(stage._session) for stage in stages if stage is not None]
        for stage, clock in zip([s for s in stages if s is not None], self.clocks, strict=True):
            stage._session = clock
        self.busy = 0.0

    def __call__(self):
        start = time.perf_counter()
        rows = []
        for _, faces in self.recognizer.stream(self.images, opened, workers=self.workers):
            assert isinstance(faces, Faces)
            rows.append(list(faces.templates.vectors))
        self.busy += (time.perf_counter() - start) * self.workers
        return rows

    def share(self) -> float:
        return sum(clock.seconds for clock in self.clocks) / self.busy

    def runtimes(self) -> list[str]:
        return [clock.runtime for clock in self.clocks]


def opened(item) -> Photo:
    return open_photo(item) if isinstance(item, Path) else from_array(item)


class Clock:
    def __init__(self, session) -> None:
        self.session, self.seconds = session, 0.0
        self.inputs, self.outputs, self.runtime = session.inputs, session.outputs, session.runtime

    def run(self, inputs):
        start = time.perf_counter()
        try:
            return self.session.run(inputs)
        finally:
            self.seconds += time.perf_counter() - start


def to_xywh(boxes):
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def unit(vector):
    return vector / np.linalg.norm(vector)
