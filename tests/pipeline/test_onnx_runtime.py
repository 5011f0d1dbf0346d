"""pipeline.onnx_runtime: the provider that was asked for, or a named error; never another one in silence."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import pipeline.onnx_runtime as module
from pipeline.config import Settings
from pipeline.errors import ConfigError, ModelDamagedError, RuntimeUnavailableError
from pipeline.onnx_runtime import OnnxRuntimeSession, providers_here
from pipeline.runtime import load_session
from pipeline.weights import InstalledModel, load_cards

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


class FakeRuntime:
    """Stands in for the package `onnxruntime`.

    Args:
        offered: The providers it says it has.
        used: Those a session ends up with; by default those asked for.
        needs_cpu: Some operators run on the CPU only.
        broken: Loading fails for this reason.
    """

    def __init__(
        self, offered: list[str], used: list[str] | None = None, *, needs_cpu: bool = False, broken: str = ""
    ) -> None:
        self.offered, self.used, self.needs_cpu, self.broken = offered, used, needs_cpu, broken
        self.asked: list[list[str]] = []

    def get_available_providers(self) -> list[str]:
        return self.offered

    def SessionOptions(self) -> Any:  # noqa: N802 - the name it has there
        entries: dict[str, str] = {}
        return SimpleNamespace(entries=entries, add_session_config_entry=entries.__setitem__)

    def InferenceSession(self, file: str, options: Any, providers: list[str]) -> Any:  # noqa: N802
        self.asked.append(providers)
        if self.broken:
            raise RuntimeError(self.broken)
        if self.needs_cpu and options.entries.get("session.disable_cpu_ep_fallback") == "1":
            raise RuntimeError("nodes are assigned to the default CPU EP, but fallback to CPU EP has been disabled")
        node = SimpleNamespace(name="x")
        used = providers if self.used is None else self.used
        return SimpleNamespace(get_providers=lambda: used, get_inputs=lambda: [node], get_outputs=lambda: [node])


def runtime_with(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **options: Any) -> FakeRuntime:
    fake = FakeRuntime(*arguments, **options)
    monkeypatch.setattr(module, "_onnxruntime", lambda: fake)
    return fake


def test_the_provider_asked_for_is_the_one_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = runtime_with(monkeypatch, [TENSORRT, CUDA, CPU])
    assert OnnxRuntimeSession(Path("m"), provider="cuda", precision="fp16").runtime == "onnxruntime/cuda fp16"
    assert OnnxRuntimeSession(Path("m"), provider="tensorrt").runtime == "onnxruntime/tensorrt fp32"
    assert OnnxRuntimeSession(Path("m")).runtime == "onnxruntime/cpu fp32"
    assert fake.asked == [[CUDA], [TENSORRT, CUDA], [CPU]]
    assert providers_here() == ("cpu", "cuda", "tensorrt")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt", "coreml", "directml", "npu"])
def test_a_provider_that_is_not_there_is_an_error_that_says_what_is(
    monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    fake = runtime_with(monkeypatch, [CPU])
    with pytest.raises(RuntimeUnavailableError, match=f"'{provider}' is not there.* offers cpu;"):
        OnnxRuntimeSession(Path("m"), provider=provider)
    assert not fake.asked


@pytest.mark.parametrize("used", [[CPU], []])
def test_a_session_that_fell_back_is_refused(monkeypatch: pytest.MonkeyPatch, used: list[str]) -> None:
    """ONNX Runtime does this where a driver is missing: it logs a line and goes on with the CPU."""
    runtime_with(monkeypatch, [CUDA, CPU], used)
    with pytest.raises(RuntimeUnavailableError, match="cuda was asked for, but ONNX Runtime uses") as caught:
        OnnxRuntimeSession(Path("m"), provider="cuda")
    assert "\n" not in caught.value.message


def test_operators_that_are_left_to_the_cpu_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = runtime_with(monkeypatch, [CUDA, CPU], needs_cpu=True)
    assert OnnxRuntimeSession(Path("m"), provider="cuda").runtime == "onnxruntime/cuda+cpu fp32"
    assert fake.asked == [[CUDA], [CUDA, CPU]]


def test_what_a_provider_cannot_load_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime_with(monkeypatch, [CUDA, CPU], broken="CUDA driver\nversion is insufficient")
    with pytest.raises(RuntimeUnavailableError, match=r"CUDA driver version is insufficient.*cpu, cuda"):
        OnnxRuntimeSession(Path("m"), provider="cuda")
    with pytest.raises(ModelDamagedError):
        OnnxRuntimeSession(Path("m"))


def test_the_real_one_refuses_what_it_does_not_have(tmp_path: Path) -> None:
    missing = next(name for name in module.PROVIDERS if name not in providers_here())
    with pytest.raises(RuntimeUnavailableError, match="is not there"):
        OnnxRuntimeSession(tmp_path / "m.onnx", provider=missing)


def test_openvino_has_no_such_providers(tmp_path: Path) -> None:
    model = InstalledModel(load_cards()["sface.2021dec"], tmp_path / "m.onnx", "0" * 64)
    with pytest.raises(RuntimeUnavailableError, match="belongs to ONNX Runtime"):
        load_session(model, "openvino", provider="cuda")


def test_the_settings_know_the_providers(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('provider = "cuda"\n')
    assert Settings.load(file).provider == "cuda"
    file.write_text('provider = "gpu"\n')
    with pytest.raises(ConfigError, match="provider"):
        Settings.load(file)
