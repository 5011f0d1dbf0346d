"""Training on a GPU: our step against arcface_torch's, memory of the heads, and the loss scale over 200 steps.

Photos are synthetic and lie on the device, so nothing is read. What is compared runs in turns in this very process,
each on fresh weights; rates are medians of the rounds. A part that fails becomes an entry `error` and the others go on.
Needs torch and numpy only.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from scripts.benches._arcface_loop import Loop, alone
from training.backbones import Backbone, build_backbone
from training.backbones.iresnet import IResNet
from training.backbones.vit import VisionTransformer
from training.engine.step import Precision, Stepper
from training.engine.world import World
from training.heads import DenseHead, Head, TiledHead
from training.margins import MARGINS

Step = Callable[[], object]
MEGABYTE = 1 << 20
DIMENSION = 512


def run(arguments: list[str]) -> dict:
    parser = argparse.ArgumentParser(prog="bench gpu")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small everything, to try the bench itself")
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--classes", type=int, default=0, help="in the comparison of loops (default 93,431: MS1MV3)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=0, help="of a round")
    parser.add_argument("--only", nargs="*", default=[], help="names of parts")
    options = parser.parse_args(arguments)
    device = torch.device(options.device, 0) if options.device == "cuda" else torch.device(options.device)
    bench = Bench(
        device,
        tiny=options.tiny,
        batch=options.batch or (4 if options.tiny else 128),
        classes=options.classes or (300 if options.tiny else 93_431),
        rounds=options.rounds,
        steps=options.steps or (1 if options.tiny else 15),
    )
    torch.backends.cudnn.benchmark = True
    if options.tiny:
        torch.set_num_threads(1)
    parts = {
        "fp32": lambda: bench.loops("fp32"),
        "fp16": lambda: bench.loops("fp16"),
        "bf16": lambda: bench.loops("bf16"),
        "compiled_bf16": (lambda: {"left_out": "compiling takes minutes"}) if options.tiny else bench.compiled,
        "gradient_checkpointing": bench.checkpointing,
        "vit_s_bf16": bench.vit,
        "heads": bench.heads,
        "loss_scale": bench.loss_scale,
    }
    figures: dict[str, Any] = {"device": _describe(device), "batch": bench.batch, "classes": bench.classes}
    for name, part in parts.items():
        if not options.only or name in options.only:
            figures[name] = _guarded(name, part)
            _empty(device)
    return figures


def _guarded(name: str, part: Callable[[], dict]) -> dict:
    print(f"bench gpu: {name}", file=sys.stderr, flush=True)
    start = time.perf_counter()
    try:
        figures = part()
    except Exception as error:  # noqa: BLE001 - a part that fails must not lose the others' figures
        text = str(error).splitlines()[0][:300] if str(error) else ""
        figures = {"error": f"{type(error).__name__}: {text}"}
    return {**figures, "seconds": time.perf_counter() - start}


class Bench:
    """The parts; each gives its figures."""

    def __init__(self, device: torch.device, *, tiny: bool, batch: int, classes: int, rounds: int, steps: int) -> None:
        self.device, self.tiny, self.batch, self.classes = device, tiny, batch, classes
        self.rounds, self.steps = rounds, steps
        self.world = World(0, 1, device)
        generator = torch.Generator().manual_seed(0)
        self.photos = torch.randint(0, 256, (batch, 3, 112, 112), dtype=torch.uint8, generator=generator).to(device)
        self.labels = torch.randint(0, classes, (batch,), generator=generator).to(device)

    def loops(self, precision: Precision) -> dict:
        """Images a second of our step with each head, and of arcface_torch's loop (which has no bf16)."""
        steps: dict[str, Step] = {
            "ours, tiled and fused": self._ours(precision, self._tiled(fused=True)),
            "ours, dense": self._ours(precision, DenseHead(_arcface(), self.classes, DIMENSION, device=self.device)),
        }
        if precision == "bf16":
            return self._rates(steps)
        floats = (self.photos.float() - 127.5) / 127.5
        with alone(self.device):
            theirs = Loop(self._network(), self.classes, DIMENSION, self.device, fp16=precision == "fp16")
            steps["arcface_torch"] = lambda: theirs(floats, self.labels)
            figures = self._rates(steps)
        rates = figures["images_per_second"]
        ratio = {name: rates[name] / rates["arcface_torch"] for name in rates if name != "arcface_torch"}
        return {**figures, "ours_to_arcface_torch": ratio}

    def compiled(self) -> dict:
        """The same step with and without torch.compile."""
        plain = self._ours("bf16", self._tiled(fused=True))
        compiled = self._ours("bf16", self._tiled(fused=True), compiled=True)
        figures = self._rates({"plain": plain, "compiled": compiled})
        rates = figures["images_per_second"]
        return {**figures, "compiled_to_plain": rates["compiled"] / rates["plain"]}

    def checkpointing(self) -> dict:
        """Memory and time with the activations kept and recomputed."""
        spared = self._network()
        spared.checkpointing = True
        steps = {
            "kept": self._ours("bf16", self._tiled(fused=True)),
            "recomputed": self._ours("bf16", self._tiled(fused=True), network=spared),
        }
        return self._rates(steps)

    def vit(self) -> dict:
        """A ViT, whose attention runs through scaled_dot_product_attention."""
        tiny = VisionTransformer(16, 1, 2, dimension=DIMENSION, patch=28)
        network = (tiny if self.tiny else build_backbone("vit_s")).to(self.device)
        step = self._ours("bf16", self._tiled(fused=True), network=network, channels_last=False)
        return self._rates({"ours": step})

    def heads(self) -> dict:
        """Memory beyond weights and optimiser, and time of one step, of heads with many classes."""
        many = (2_000, 20_000) if self.tiny else (1_000_000, 10_000_000)
        figures: dict[str, Any] = {}
        for classes in many:
            for kind in ("tiled and fused", "tiled", "dense"):
                figures[f"{kind}, C = {classes}"] = _guarded(
                    f"heads: {kind}, {classes} classes", lambda c=classes, k=kind: self._head_memory(k, c)
                )
                _empty(self.device)
        return figures

    def loss_scale(self) -> dict:
        """200 steps in fp16 from a scale that is too high, growing every 50 good steps."""
        count = 4 if self.tiny else 200
        step = self._stepper("fp16", DenseHead(_arcface(), 256, DIMENSION, device=self.device))
        step.scaler = torch.amp.GradScaler(self.device.type, init_scale=2.0**24, growth_interval=50)
        labels = torch.arange(self.batch, device=self.device) % 256
        results = [step([(self.photos, labels)], step=i, rate=0.02 * min(1, (i + 1) / 50)) for i in range(count)]
        return {
            "steps": count,
            "first_scale": results[0].scale,
            "scale_every_20_steps": [result.scale for result in results[::20]],
            "last_scale": results[-1].scale,
            "skipped_steps": [number for number, result in enumerate(results) if result.skipped],
            "first_loss": results[0].loss,
            "last_loss": results[-1].loss,
        }

    def _network(self) -> Backbone:
        torch.manual_seed(0)
        small = IResNet((1, 1, 1, 1), dimension=DIMENSION, width=0.125)
        return (small if self.tiny else build_backbone("iresnet50", dimension=DIMENSION)).to(self.device)

    def _tiled(self, *, fused: bool) -> TiledHead:
        return TiledHead(_arcface(), self.classes, DIMENSION, fused=fused, device=self.device)

    def _stepper(
        self,
        precision: Precision,
        head: Head,
        *,
        network: Backbone | None = None,
        compiled: bool = False,
        channels_last: bool = True,
    ) -> Stepper:
        network = network or self._network()
        if channels_last:
            network = network.to(memory_format=torch.channels_last)
        settings = {"lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4}
        optimiser = torch.optim.SGD(network.parameters(), **settings)
        fused = isinstance(head, TiledHead) and head.fused
        head_optimiser = head.sgd(**settings) if fused else torch.optim.SGD(head.parameters(), **settings)
        return Stepper(
            network,
            head,
            optimiser,
            head_optimiser,
            self.world,
            precision=precision,
            clip=5.0,
            channels_last=channels_last,
            compiled=compiled,
        )

    def _ours(self, precision: Precision, head: Head, **options: Any) -> Step:
        stepper = self._stepper(precision, head, **options)
        return lambda: stepper([(self.photos, self.labels)], step=0, rate=0.02)

    def _rates(self, steps: dict[str, Step]) -> dict:
        """Medians over the rounds, the loops taking turns; and the peak of memory above what all of them hold."""
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        peaks: dict[str, float] = {}
        for step in steps.values():
            for _ in range(0 if self.tiny else 5):
                step()
        for _ in range(self.rounds):
            for name, step in steps.items():
                _empty(self.device)
                held = _reset_peak(self.device)
                step()
                _wait(self.device)
                start = time.perf_counter()
                for _ in range(self.steps):
                    step()
                _wait(self.device)
                seconds[name].append(time.perf_counter() - start)
                peaks[name] = (_peak(self.device) - held) / MEGABYTE
        rate = {name: self.batch * self.steps / statistics.median(values) for name, values in seconds.items()}
        return {"images_per_second": rate, "peak_mb_above_weights": peaks}

    def _head_memory(self, kind: str, classes: int) -> dict:
        if kind == "dense":
            head: Head = DenseHead(_arcface(), classes, DIMENSION, device=self.device)
        else:
            head = TiledHead(_arcface(), classes, DIMENSION, fused=kind == "tiled and fused", device=self.device)
        fused = isinstance(head, TiledHead) and head.fused
        settings = {"lr": 0.02, "momentum": 0.0}
        optimiser = head.sgd(**settings) if fused else torch.optim.SGD(head.parameters(), **settings)
        generator = torch.Generator().manual_seed(1)  # on the CPU: the class vectors come from the GPU's own
        embeddings = torch.randn(self.batch, DIMENSION, generator=generator).to(self.device).requires_grad_()
        labels = torch.arange(self.batch, device=self.device) * (classes // self.batch)
        seconds, losses = [], []
        for _ in range(4):
            embeddings.grad = None
            optimiser.zero_grad(set_to_none=True)
            _empty(self.device)
            held = _reset_peak(self.device)
            start = time.perf_counter()
            loss = head(embeddings, labels)
            loss.backward()
            optimiser.step()
            _wait(self.device)
            seconds.append(time.perf_counter() - start)
            losses.append(loss.item())
            peak = (_peak(self.device) - held) / MEGABYTE
        weights = head.weight.numel() * head.weight.element_size() / MEGABYTE
        return {
            "peak_mb": peak,
            "weights_mb": weights,
            "ms": 1e3 * statistics.median(seconds[1:]),
            "first_loss": losses[0],
        }


def _arcface() -> Any:
    return MARGINS["arcface"](margin_rad=0.5, scale=64.0)


def _describe(device: torch.device) -> dict:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    tf32 = {"convolutions": torch.backends.cudnn.allow_tf32, "products": torch.backends.cuda.matmul.allow_tf32}
    return {"name": name, "torch": torch.__version__, "cuda": str(torch.version.cuda), "tf32": tf32}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _empty(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _reset_peak(device: torch.device) -> int:
    """Bytes held now; the peak starts from here."""
    if device.type != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
