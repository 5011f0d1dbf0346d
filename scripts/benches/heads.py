"""Memory and time of a training step of the heads: textbook ArcFace, dense, tiled, fused, PartialFC.

    scripts/bench heads [--classes 10000,100000,1000000] [--steps 3] [--plot FILE] [--json]
    scripts/bench heads --device cuda --batch 1024 --classes 100000,1000000,10000000 [--tf32] [--json]

Every case has a process of its own: it makes class vectors (C x D, float32) and an optimiser (plain SGD; `--momentum`
for another), notes the memory held, and makes some steps: loss, backward, update. `peak_mb` is the most that was held
above that note: resident memory on the CPU, PyTorch's own count on CUDA. `cpu_s` and `wall_s` are medians over the
steps; on CUDA only the wall time counts, with the device synchronised. One thread unless `--threads` says otherwise.

`textbook` is the ArcFace of most repositories: normalise, F.linear, one-hot, cross-entropy. `exact` compares tiled with
dense (both float32) and both with float64, as the largest difference over the largest value (`_norm`: norm over norm);
for `update` it is the step that the weights made. A case that does not fit is reported as such.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.heads import DenseHead, Head, TiledHead
from training.margins import ArcFace

KINDS = ["textbook", "dense", "tiled", "fused", "partial"]
MARGIN_RAD, SCALE, RATE = 0.5, 64.0, 0.1


class Textbook(nn.Module):
    """The common ArcFace layer, with cross-entropy."""

    fused = False

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.weight = head.weight

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosine = nn.functional.linear(nn.functional.normalize(embeddings), nn.functional.normalize(self.weight))
        sine = torch.sqrt((1.0 - cosine.pow(2)).clamp(1e-7, 1))
        phi = cosine * math.cos(MARGIN_RAD) - sine * math.sin(MARGIN_RAD)
        phi = torch.where(cosine > -math.cos(MARGIN_RAD), phi, cosine - MARGIN_RAD * math.sin(MARGIN_RAD))
        one_hot = torch.zeros_like(cosine).scatter_(1, labels[:, None], 1)
        return nn.functional.cross_entropy(SCALE * (one_hot * phi + (1.0 - one_hot) * cosine), labels)


def build(kind: str, classes: int, options: argparse.Namespace) -> nn.Module:
    margin, device = ArcFace(MARGIN_RAD, SCALE), torch.device(options.device)
    if kind in ("textbook", "dense"):
        dense = DenseHead(margin, classes, options.dimension, device=device)
        return Textbook(dense) if kind == "textbook" else dense
    settings: dict[str, Any] = {"fused": kind != "tiled", "sample_rate": RATE if kind == "partial" else 1.0}
    if kind == "fused_bf16":
        settings["product_dtype"] = torch.bfloat16
    return TiledHead(margin, classes, options.dimension, device=device, tile=options.tile, **settings)


def optimizer_of(head: nn.Module, options: argparse.Namespace) -> torch.optim.Optimizer:
    if isinstance(head, TiledHead) and head.fused:
        return head.sgd(0.1, momentum=options.momentum)
    return torch.optim.SGD(head.parameters(), lr=0.1, momentum=options.momentum)


def batch_of(classes: int, options: argparse.Namespace) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(options.batch, options.dimension, generator=generator).to(options.device)
    return x.requires_grad_(), torch.randint(classes, (options.batch,), generator=generator).to(options.device)


class Memory:
    """Megabytes held now, and the most that was held since."""

    def __init__(self, device: str) -> None:
        self.cuda = device.startswith("cuda")
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        self.start = torch.cuda.memory_allocated() if self.cuda else self._resident()

    def _resident(self) -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    def peak_mb(self) -> float:
        peak = (
            torch.cuda.max_memory_allocated()
            if self.cuda
            else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        )
        return round((peak - self.start) / 1e6, 1)


def one_case(kind: str, classes: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measured in a process of its own."""
    head = build(kind, classes, options)
    optimizer, (x, labels) = optimizer_of(head, options), batch_of(classes, options)
    if options.momentum:  # its buffer is the optimiser's state and not counted
        optimizer.state[head.weight]["momentum_buffer"] = torch.zeros_like(head.weight)
    cuda = options.device.startswith("cuda")
    (x.detach() @ x.detach().T).exp().sum().item()  # the library's own buffers
    memory, cpu, wall, losses = Memory(options.device), [], [], []
    for _ in range(options.steps):
        start, start_cpu = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        x.grad = None
        loss = head(x, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if cuda:
            torch.cuda.synchronize()
        cpu.append(time.process_time() - start_cpu)
        wall.append(time.perf_counter() - start)
    return {
        "peak_mb": memory.peak_mb(),
        "cpu_s": None if cuda else round(statistics.median(cpu), 4),
        "wall_s": round(statistics.median(wall), 4),
        "weights_mb": round(head.weight.numel() * 4 / 1e6, 1),
        "losses": [round(value, 4) for value in losses],
    }


def exactness(classes: int, options: argparse.Namespace) -> dict[str, Any]:
    """Tiled and fused against dense, with the same class vectors and batch, in float32."""
    x, labels = batch_of(classes, options)
    dense, tiled, fused = (build(kind, classes, options) for kind in ("dense", "tiled", "fused"))
    wanted, found = gradients(dense, x, labels), gradients(tiled, x, labels)
    out: dict[str, Any] = {"classes": classes, "tiled_to_dense": differences(found, wanted)}
    before = fused.weight.detach().clone()
    fused(x, labels).backward()
    fused.sgd(1.0).step()  # type: ignore[operator]
    step = before - fused.weight.detach()
    out["fused_to_dense"] = {"update": largest(step, wanted[2])}
    exact = gradients(dense.double(), x.detach().double().requires_grad_(), labels)
    out |= {"dense_to_float64": differences(wanted, exact), "tiled_to_float64": differences(found, exact)}
    return out


def gradients(head: nn.Module, x: Tensor, labels: Tensor) -> list[Tensor]:
    loss = head(x, labels)
    return [loss.detach(), *torch.autograd.grad(loss, (x, head.weight))]


def largest(values: Tensor, reference: Tensor) -> float:
    return float((values - reference).abs().max() / reference.abs().max())


def differences(values: list[Tensor], references: list[Tensor]) -> dict[str, float]:
    names = ("loss", "embeddings_gradient", "class_gradient")
    out = {name: largest(a, b) for name, a, b in zip(names, values, references, strict=True)}
    return out | {"class_gradient_norm": float((values[2] - references[2]).norm() / references[2].norm())}


def needed_mb(kind: str, classes: int, options: argparse.Namespace) -> float:
    """A lower bound for the memory of a case, to leave it out rather than have the system kill it."""
    weights, logits = classes * options.dimension * 4e-6, classes * options.batch * 4e-6
    more = {"textbook": 2 * weights + 6 * logits, "dense": 2 * weights + 4 * logits, "tiled": weights}.get(kind, 100)
    return weights + more


def child(name: str, classes: int, args: list[str], threads: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "scripts.benches", "heads", "--json", *args, "--inside", f"{name}:{classes}"]
    variables = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return {"failed": f"exit code {done.returncode}"}
    result: dict[str, Any] = json.loads(done.stdout)["case"]
    return result


def inside(case: str, options: argparse.Namespace) -> dict[str, Any]:
    name, classes = case.split(":")
    torch.set_num_threads(options.threads)
    if options.tf32:
        torch.set_float32_matmul_precision("high")
    try:
        call: Callable[..., dict[str, Any]] = exactness if name == "exact" else one_case
        arguments = (int(classes), options) if name == "exact" else (name, int(classes), options)
        return call(*arguments)
    except torch.OutOfMemoryError:
        return {"failed": "out of memory"}


def ratios(rows: list[dict[str, Any]], clock: str) -> list[dict[str, Any]]:
    """How much less than the textbook each takes, where both were measured."""
    out = []
    measured = {(row["classes"], row["head"]): row for row in rows if "peak_mb" in row}
    for (classes, head), row in measured.items():
        base = measured.get((classes, "textbook"))
        if base and head != "textbook":
            times = round(base[clock] / row[clock], 2)
            out.append({"classes": classes, "head": head, f"textbook_{clock}_over": times} | memory_ratio(base, row))
    return out


def memory_ratio(base: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    return {"textbook_peak_over": round(base["peak_mb"] / row["peak_mb"], 1)} if row["peak_mb"] > 0 else {}


def plot(rows: list[dict[str, Any]], clock: str, file: Path) -> None:
    """Two panels over the number of classes: memory and time."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    axes = [("peak_mb", "MB above weights and optimiser"), (clock, "seconds a step")]
    for panel, (name, unit) in zip(panels, axes, strict=True):
        for kind in dict.fromkeys(row["head"] for row in rows):
            points = [(row["classes"], row[name]) for row in rows if row["head"] == kind and row.get(name, 0) > 0]
            if points:
                panel.plot(*zip(*points, strict=True), marker="o", label=kind)
        panel.set(xscale="log", yscale="log", xlabel="classes", ylabel=unit)
        panel.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=130)


def parsed(args: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench heads", description=__doc__)
    parser.add_argument("--classes", default="10000,100000,1000000")
    parser.add_argument("--heads", default=",".join(KINDS), help=f"of {', '.join(KINDS)}, fused_bf16")
    parser.add_argument("--exact", default="10000,100000", help="numbers of classes to compare tiled with dense at")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--momentum", type=float, default=0.0)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--tile", type=int, help="classes in a tile; chosen by the head if left out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tf32", action="store_true", help="float32 products on CUDA's TF32 units")
    parser.add_argument("--plot", type=Path, help="a picture to write")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    return parser.parse_args(args)


def run(args: list[str]) -> dict[str, Any]:
    """Measures; see the module."""
    options = parsed(args)
    if options.inside:
        return {"case": inside(options.inside, options)}
    cuda, rows = options.device.startswith("cuda"), []
    for classes in map(int, options.classes.split(",")):
        for kind in options.heads.split(","):
            needed, free = needed_mb(kind, classes, options), free_mb()
            if not cuda and needed > free:
                rows.append({"classes": classes, "head": kind, "failed": f"needs {needed:.0f} MB, {free:.0f} are free"})
                continue
            rows.append({"classes": classes, "head": kind} | child(kind, classes, args, options.threads))
            print(rows[-1], file=sys.stderr, flush=True)
    clock = "wall_s" if cuda else "cpu_s"
    exact = [child("exact", int(classes), args, options.threads) for classes in options.exact.split(",") if classes]
    if options.plot:
        plot(rows, clock, options.plot)
    result = {
        "batch": options.batch,
        "dimension": options.dimension,
        "threads": options.threads,
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if cuda else "cpu",
    }
    return result | {"momentum": options.momentum, "cases": rows, "ratios": ratios(rows, clock), "exact": exact}


def free_mb() -> float:
    line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1]) / 1e3
