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
from pipeline.protocols import Array, Session
from pipeline.weights import InstalledModel, RuntimeRecord

#: Largest difference between two runtimes' outputs, relative to the largest output, at which they count as equal.
OUTPUT_TOLERANCE = 1e-3
#: Outputs that stay below this are held to OUTPUT_TOLERANCE of this instead.
_SMALL_OUTPUT = 1e-2


class OnnxRuntimeSession:
    """A network in ONNX Runtime on the CPU."""

    def __init__(self, file: Path, threads: int = 1) -> None:
        try:
            os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # its wheel keeps a device id otherwise
            import onnxruntime as ort
        except ImportError as error:
            raise RuntimeUnavailableError("ONNX Runtime cannot be imported here: reinstall knownface") from error
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # An arena per session keeps the peak of the largest photo for ever, and gains nothing on one thread.
        options.enable_cpu_mem_arena = True
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except _onnxruntime_errors() as error:
            raise ModelDamagedError(f"{file}: ONNX Runtime cannot load it: run `knownface models verify`") from error
        self._inputs = tuple(node.name for node in self._session.get_inputs())
        self._outputs = tuple(node.name for node in self._session.get_outputs())

    @property
    def runtime(self) -> str:
        """`onnxruntime/cpu`."""
        return "onnxruntime/cpu"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in the network's order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in the network's order."""
        return self._outputs

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the network once; returns every output by name."""
        return dict(zip(self._outputs, self._session.run(self._outputs, dict(inputs)), strict=True))


def _onnxruntime_errors() -> tuple[type[Exception], ...]:
    """What loading raises: ONNX Runtime's errors have no base of their own but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "Fail InvalidArgument InvalidGraph InvalidProtobuf NoModel NoSuchFile NotFound NotImplemented RuntimeException"
    )
    own = tuple(getattr(state, name) for name in names.split() if hasattr(state, name))
    return (RuntimeError, ValueError, *own)


class OpenVinoSession:
    """A network in OpenVINO on the CPU, with as many parallel streams as the machine has cores."""

    def __init__(self, file: Path, threads: int = 1, streams: int = 0) -> None:
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

    @property
    def runtime(self) -> str:
        """`openvino/cpu`."""
        return "openvino/cpu"

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
        """Name of the runtime and its device."""
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


def load_session(model: InstalledModel, runtime: str = "auto", threads: int = 1) -> Session:
    """Loads an installed model.

    Args:
        model: The model.
        runtime: `onnxruntime`, `openvino`, or `auto` for the one `models pull` measured as the faster.
        threads: Threads of one call.

    Raises:
        RuntimeUnavailableError: The runtime named is not there; there is no silent fall-back.
        ModelDamagedError: The file cannot be loaded.
    """
    if runtime == "auto":
        runtime = model.runtime.runtime if model.runtime else "onnxruntime"
    if runtime == "openvino":
        return OpenVinoSession(model.file, threads)
    if runtime == "onnxruntime":
        return OnnxRuntimeSession(model.file, threads)
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
        ModelError: The outputs differ by more than OUTPUT_TOLERANCE of the largest one.
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
    except _onnxruntime_errors() as error:
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
    worst = 0.0
    for name, expected in one.items():
        largest = max(float(np.abs(expected).max()), _SMALL_OUTPUT)
        difference = float(np.abs(expected - other[name]).max())
        worst = max(worst, difference)
        if difference > OUTPUT_TOLERANCE * largest:
            raise ModelError(
                f"{model.card.name}: ONNX Runtime and OpenVINO disagree on {name} by {difference:.3g}: "
                'set runtime = "onnxruntime" in the settings'
            )
    return worst


def _example(model: InstalledModel) -> Array:
    """A smooth picture, the same each time, in the form the network is fed."""
    prep = model.card.preprocessing
    height, width = (320, 320) if prep.dynamic_size else prep.input_hw
    ramp = np.linspace(0, np.pi * 4, height)[:, None] + np.linspace(0, np.pi * 3, width)[None, :]
    image = 127.5 + 127.5 * np.sin(ramp[..., None] + np.arange(3))
    image = (image - np.array(prep.mean)) / np.array(prep.std)
    batch = np.repeat(image[None], 1 if model.card.family == "scrfd" else 4, axis=0).astype(np.float32)
    return np.ascontiguousarray(batch if prep.layout == "nhwc" else batch.transpose(0, 3, 1, 2))
