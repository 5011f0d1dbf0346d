"""Two runtimes behind `Session`: ONNX Runtime (every platform) and OpenVINO (often faster on x86 CPUs).

A session uses one thread per call unless told otherwise, and may be called from several threads at once. For the
network alone, parallel streams of one thread each come out like one stream of all threads (`scripts/bench runtime`);
streams are used because the work around the network then runs in parallel too.
"""

from __future__ import annotations

import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ModelDamagedError, ModelError, RuntimeUnavailableError
from pipeline.onnx_runtime import OnnxRuntimeSession, onnxruntime_errors
from pipeline.protocols import Array, Session
from pipeline.weights import InstalledModel, RuntimeRecord

#: Largest difference between two runtimes' outputs, relative to the largest output, at which they count as equal.
OUTPUT_TOLERANCE = 1e-3
#: The same for files of a lower precision, where the runtimes round in other places; their parity report judges them.
_ROUNDED_TOLERANCE = {"fp16": 2e-2, "int8": 0.5}
#: Outputs that stay below this are held to the tolerance of this instead.
_SMALL_OUTPUT = 1e-2


class OpenVinoSession:
    """A network in OpenVINO on the CPU, with as many parallel streams as the machine has cores.

    Args:
        file: The ONNX file.
        threads: Threads of one call.
        streams: Calls that run at the same time; 0 for one per core.
        precision: Of the file, as its card says; only for `runtime`. What is not int8 is computed in fp32.

    Raises:
        RuntimeUnavailableError: OpenVINO is not there.
        ModelDamagedError: The file cannot be loaded.
    """

    def __init__(self, file: Path, threads: int = 1, streams: int = 0, *, precision: str = "fp32") -> None:
        try:
            # Importing openvino would announce itself to an analytics server through this package; without it, it does
            # not, and nothing else changes.
            sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
            import openvino as ov
        except ImportError as error:
            raise RuntimeUnavailableError(
                'OpenVINO cannot be imported here: install openvino, or set runtime = "onnxruntime" in the settings'
            ) from error
        streams = streams or os.cpu_count() or 1
        config: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": threads * streams,
            "NUM_STREAMS": streams,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            self._model = ov.Core().compile_model(str(file), "CPU", config)
        except RuntimeError as error:
            raise ModelDamagedError(f"{file}: OpenVINO cannot load it: run `knownface models verify`") from error
        self._inputs = tuple(node.get_any_name() for node in self._model.inputs)
        # A tensor may have several names; the node that ends it is called after the ONNX output.
        self._outputs = tuple(node.node.get_friendly_name().split("/sink_port")[0] for node in self._model.outputs)
        self._local = threading.local()
        self._precision = precision

    @property
    def runtime(self) -> str:
        """`openvino/cpu PRECISION`."""
        return f"openvino/cpu {self._precision}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in the network's order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in the network's order."""
        return self._outputs

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the network once; returns every output by name. Each thread has its own request."""
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._model.create_infer_request()
        request.infer(dict(inputs), share_inputs=True)
        return {name: np.array(request.get_output_tensor(i).data) for i, name in enumerate(self._outputs)}


class PendingSession:
    """A session that is still being loaded by a thread of its own; whoever uses it first waits for it.

    While the recognition network loads, the photos are decoded and their faces detected.

    Args:
        load: Makes the session; what it raises is raised where the session is first used.
    """

    def __init__(self, load: Callable[[], Session]) -> None:
        loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load-model")
        self._future = loader.submit(load)
        loader.shutdown(wait=False)

    @property
    def runtime(self) -> str:
        """Name of the runtime, its device and the precision."""
        return self._future.result().runtime

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in the network's order."""
        return self._future.result().inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in the network's order."""
        return self._future.result().outputs

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the network once; returns every output by name."""
        return self._future.result().run(inputs)


def load_session(
    model: InstalledModel, runtime: str = "auto", threads: int = 1, provider: str = "cpu", streams: int = 0
) -> Session:
    """Loads an installed model.

    Args:
        model: The model.
        runtime: `onnxruntime`, `openvino`, or `auto` for the one `models pull` measured as the faster.
        threads: Threads of one call.
        provider: What computes it, a key of `pipeline.onnx_runtime.PROVIDERS`; all but `cpu` are ONNX Runtime's.
        streams: Calls that OpenVINO runs at the same time; 0 for one per core.

    Raises:
        RuntimeUnavailableError: The runtime or provider named is not there; there is no silent fall-back.
        ModelDamagedError: The file cannot be loaded.
    """
    precision = model.card.precision
    if runtime == "auto":
        fastest = model.runtime.runtime if model.runtime else "onnxruntime"
        runtime = fastest if provider == "cpu" else "onnxruntime"
    if runtime == "openvino" and provider != "cpu":
        raise RuntimeUnavailableError(
            f"the provider {provider!r} belongs to ONNX Runtime: set runtime to auto or onnxruntime in the settings"
        )
    if runtime == "openvino":
        return OpenVinoSession(model.file, threads, streams, precision=precision)
    if runtime == "onnxruntime":
        return OnnxRuntimeSession(model.file, threads, provider=provider, precision=precision)
    raise RuntimeUnavailableError(f"there is no runtime {runtime!r}: use onnxruntime, openvino or auto")


def choose_runtime(model: InstalledModel, *, repeats: int = 7) -> RuntimeRecord:
    """Measures an installed model in both runtimes and says which to use.

    The runtimes take turns in one run, on one thread each, so that a busy machine slows both alike; the medians are
    compared. OpenVINO is taken only if it is there, its outputs agree with ONNX Runtime's, and it is faster.

    Args:
        model: The model.
        repeats: Runs of each runtime, after one to warm up.

    Raises:
        ModelDamagedError: It cannot be loaded or run, or its outputs are not finite numbers.
        ModelError: The outputs differ by more than OUTPUT_TOLERANCE of the largest one (more for lower precisions).
    """
    sessions: dict[str, Session] = {"onnxruntime": OnnxRuntimeSession(model.file)}
    try:
        sessions["openvino"] = OpenVinoSession(model.file, streams=1)
    except RuntimeUnavailableError:
        sessions.pop("openvino", None)
    inputs = {sessions["onnxruntime"].inputs[0]: _example(model)}
    outputs = {name: _first_run(model, session, inputs) for name, session in sessions.items()}
    difference = _difference(model, outputs) if len(outputs) > 1 else 0.0
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(repeats):
        for name, session in sessions.items():
            start = time.perf_counter()
            session.run(inputs)
            seconds[name].append(time.perf_counter() - start)
    ms = {name: round(statistics.median(values) * 1000, 3) for name, values in seconds.items()}
    return RuntimeRecord(runtime=min(ms, key=lambda name: ms[name]), ms=ms, max_abs_difference=difference)


def _first_run(model: InstalledModel, session: Session, inputs: Mapping[str, Array]) -> dict[str, Array]:
    try:
        outputs = session.run(inputs)
    except onnxruntime_errors() as error:
        raise ModelDamagedError(
            f"{model.card.name}: {session.runtime} cannot run it on the input its card describes"
        ) from error
    for name, values in outputs.items():
        if not (np.issubdtype(values.dtype, np.number) and np.all(np.isfinite(values))):
            raise ModelDamagedError(
                f"{model.card.name}: its output {name} is not made of finite numbers, so it recognises nobody: "
                "use another file of this model"
            )
    return outputs


def _difference(model: InstalledModel, outputs: Mapping[str, Mapping[str, Array]]) -> float:
    one, other = outputs.values()
    tolerance = _ROUNDED_TOLERANCE.get(model.card.precision, OUTPUT_TOLERANCE)
    worst = 0.0
    for name, expected in one.items():
        largest = max(float(np.abs(expected).max()), _SMALL_OUTPUT)
        difference = float(np.abs(expected - other[name]).max())
        worst = max(worst, difference)
        if difference > tolerance * largest:
            raise ModelError(
                f"{model.card.name}: ONNX Runtime and OpenVINO disagree on {name} by {difference:.3g}: "
                'set runtime = "onnxruntime" in the settings'
            )
    return worst


def _example(model: InstalledModel) -> Array:
    """A smooth picture, the same each time, in the form the network is fed."""
    prep = model.card.preprocessing
    height, width = (320, 320) if prep.dynamic_size else prep.input_hw
    many = 1 if model.card.family == "scrfd" else 4
    ramp = np.linspace(0, np.pi * 4, height)[:, None] + np.linspace(0, np.pi * 3, width)[None, :]
    image = 127.5 + 127.5 * np.sin(ramp[..., None] + np.arange(3))
    if prep.folded:
        return np.repeat(image[None].astype(np.uint8), many, axis=0)
    image = ((image - np.array(prep.mean)) / np.array(prep.std))[..., : 1 if prep.colour == "grey" else 3]
    batch = np.repeat(image[None], many, axis=0).astype(np.float32)
    return np.ascontiguousarray(batch if prep.layout == "nhwc" else batch.transpose(0, 3, 1, 2))
