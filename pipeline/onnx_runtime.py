"""ONNX Runtime behind `Session`, on the provider that was asked for and on no other.

ONNX Runtime itself goes on with the CPU, and a line in its log, where a provider cannot be had: that is looked for
here, and refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ModelDamagedError, RuntimeUnavailableError
from pipeline.protocols import Array

#: Providers by the name in the settings, as ONNX Runtime calls them.
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
_CPU = PROVIDERS["cpu"]
_NO_HELP = "session.disable_cpu_ep_fallback"


class OnnxRuntimeSession:
    """A network in ONNX Runtime.

    Args:
        file: The ONNX file.
        threads: Threads of one call.
        provider: What computes it: a key of PROVIDERS.
        precision: Of the file, as its card says; only for `runtime`.

    Raises:
        RuntimeUnavailableError: ONNX Runtime or the provider is not there, or does not take this network.
        ModelDamagedError: The file cannot be loaded.
    """

    def __init__(self, file: Path, threads: int = 1, *, provider: str = "cpu", precision: str = "fp32") -> None:
        ort = _onnxruntime()
        _require(ort, provider)
        try:
            self._session, partly = _load(ort, file, threads, PROVIDERS[provider])
        except onnxruntime_errors() as error:
            if provider != "cpu":
                raise RuntimeUnavailableError(
                    f"{file}: the provider {provider} cannot load it ({_one_line(error)}): set provider to another one "
                    f"of those there are ({', '.join(providers_here())})"
                ) from error
            raise ModelDamagedError(f"{file}: ONNX Runtime cannot load it: run `knownface models verify`") from error
        used = self._session.get_providers()
        if not used or used[0] != PROVIDERS[provider]:
            raise RuntimeUnavailableError(
                f"{file}: the provider {provider} was asked for, but ONNX Runtime uses {', '.join(used) or 'none'}: "
                "its driver or libraries are not whole"
            )
        self._runtime = f"onnxruntime/{provider}{'+cpu' if partly else ''} {precision}"
        self._inputs = tuple(node.name for node in self._session.get_inputs())
        self._outputs = tuple(node.name for node in self._session.get_outputs())

    @property
    def runtime(self) -> str:
        """`onnxruntime/PROVIDER PRECISION`; `cuda+cpu` where the provider leaves some operators to the CPU."""
        return self._runtime

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


def providers_here() -> tuple[str, ...]:
    """The providers this machine's ONNX Runtime offers, by the names in the settings.

    Raises:
        RuntimeUnavailableError: There is no ONNX Runtime.
    """
    offered = set(_onnxruntime().get_available_providers())
    return tuple(name for name, own in PROVIDERS.items() if own in offered)


def onnxruntime_errors() -> tuple[type[Exception], ...]:
    """What loading and running raise: ONNX Runtime's errors have no base of their own but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "Fail InvalidArgument InvalidGraph InvalidProtobuf NoModel NoSuchFile NotFound NotImplemented RuntimeException "
        "EPFail"
    )
    own = tuple(getattr(state, name) for name in names.split() if hasattr(state, name))
    return (RuntimeError, ValueError, *own)


def _onnxruntime() -> Any:
    try:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # its wheel keeps a device id otherwise
        import onnxruntime as ort
    except ImportError as error:
        raise RuntimeUnavailableError("ONNX Runtime cannot be imported here: reinstall knownface") from error
    return ort


def _require(ort: Any, provider: str) -> None:
    own = PROVIDERS.get(provider)
    if own is None or own not in ort.get_available_providers():
        here = ", ".join(providers_here())
        raise RuntimeUnavailableError(
            f"the provider {provider!r} is not there: this machine's ONNX Runtime offers {here}; set provider to one of"
            " these, or install the onnxruntime package that has it"
        )


def _load(ort: Any, file: Path, threads: int, provider: str) -> tuple[Any, bool]:
    """The session, and whether the provider leaves operators to the CPU: tried without its help first."""
    if provider == _CPU:
        return ort.InferenceSession(str(file), _options(ort, threads), providers=[provider]), False
    providers = [provider, PROVIDERS["cuda"]] if provider == PROVIDERS["tensorrt"] else [provider]
    alone = _options(ort, threads)
    alone.add_session_config_entry(_NO_HELP, "1")
    try:
        return ort.InferenceSession(str(file), alone, providers=providers), False
    except onnxruntime_errors() as error:
        if "fallback" not in str(error).lower():
            raise
    return ort.InferenceSession(str(file), _options(ort, threads), providers=[*providers, _CPU]), True


def _options(ort: Any, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # An arena per session keeps the peak of the largest photo for ever, and gains nothing on one thread.
    options.enable_cpu_mem_arena = True
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
