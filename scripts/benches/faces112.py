"""Does training teach? Held-out identities before and after, for several losses and seeds, from scratch on a CPU.

Each run trains a slim IResNet-18 on FOLDER/train for a fixed number of epochs and compares every pair of crops of the
other people in FOLDER/test: before the first step and after each epoch. Everything but the loss is the same for all.
Writes a run per loss and seed, `table.md`, `faces112.json` and, where matplotlib is installed, `curves.svg` to OUT, and
goes on with runs that are there already. Needs torch, numpy, opencv, pillow, safetensors, rich and pydantic.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from training.engine.config import TrainConfig
from training.engine.loop import train

#: Settings of each loss. The margins are gentler than those for millions of photos: there are 20 per identity here.
LOSSES: dict[str, dict[str, Any]] = {
    "softmax": {"name": "softmax"},
    "cosface": {"name": "cosface", "margin": 0.2, "scale": 32.0},
    "arcface": {"name": "arcface", "margin_rad": 0.3, "scale": 32.0},
}


def run(arguments: list[str]) -> dict:
    parser = argparse.ArgumentParser(prog="bench faces112")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/faces-112"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=0, help="stop before this: fewer epochs, as a trial step says")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.1)
    options = parser.parse_args(arguments)
    for part in ("train", "test"):
        if not (options.data / part).is_dir():
            raise ConfigError(f"{options.data / part}: is not there; name the folder of faces-112 with --data")
    epochs = _affordable(options) if options.minutes else options.epochs
    runs: dict[str, list[dict[str, Any]]] = {}
    for loss in options.losses:
        for seed in options.seeds:
            runs.setdefault(loss, []).append(_one(options, loss, seed, epochs))
            document = {
                "epochs": epochs,
                "losses": {name: _summary(found) for name, found in runs.items()},
                "runs": runs,
            }
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / "faces112.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
            (options.out / "table.md").write_text(table(document), encoding="utf-8")
    _draw(document, options.out / "curves.svg")
    return {"epochs": epochs, "losses": document["losses"], "seconds": [r["seconds"] for f in runs.values() for r in f]}


def _config(options: argparse.Namespace, loss: str, seed: int, epochs: int, run_folder: Path) -> TrainConfig:
    document = {
        "run": str(run_folder),
        "seed": seed,
        "epochs": epochs,
        "batch": options.batch,
        "device": "cpu",
        "threads": options.threads,
        "channels_last": True,
        "save_every_steps": 0,
        "tensorboard": False,
        "data": {"path": str(options.data / "train"), "workers": 0},
        "backbone": {"name": "iresnet18", "width": options.width, "dimension": 128},
        "margin": LOSSES[loss],
        "head": {"kind": "dense"},
        "optimiser": {"lr": options.lr},
        "schedule": {"warmup_epochs": min(1.0, epochs / 4), "decay": "cosine"},
        "evaluation": [{"name": "held-out", "path": str(options.data / "test")}],
    }
    return TrainConfig.of(document, "faces112")


def _one(options: argparse.Namespace, loss: str, seed: int, epochs: int) -> dict[str, Any]:
    """Trains once, or goes on where an earlier call stopped. The first rate of a curve is that before training."""
    folder = options.out / f"{loss}-{seed}"
    config = _config(options, loss, seed, epochs, folder)
    start = time.perf_counter()
    done = train(config, resume=(folder / "checkpoints" / "last.json").is_file())
    seconds = time.perf_counter() - start if done and done["loss"] is not None else None  # it was finished already
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    curve = [line["eer"] for line in lines if "eer" in line]
    losses = [line["loss"] for line in lines if "loss" in line]
    return {
        "seed": seed,
        "eer_before": curve[0],
        "eer_after": curve[-1],
        "eer_by_epoch": curve,
        "tar_at_fmr_after": [line["tar_at_fmr"] for line in lines if "tar_at_fmr" in line][-1],
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "seconds": seconds,
    }


def _affordable(options: argparse.Namespace) -> int:
    """Epochs that fit into `--minutes`, as one epoch's worth of steps on these threads suggests."""
    import numpy as np
    import torch

    from training.engine.setup import build
    from training.engine.world import World

    parts = build(_config(options, "arcface", 0, 2, options.out / "trial"), World(0, 1, torch.device("cpu")))
    batches = parts.batches.starting(0)
    seconds = []
    for step in range(6):
        start = time.perf_counter()
        parts.stepper(next(batches), step=step, rate=0.01)
        seconds.append(time.perf_counter() - start)
    epoch = float(np.median(seconds[1:])) * parts.plan.steps_per_epoch * 1.25  # reading, evaluating, saving
    return max(2, min(options.epochs, int(options.minutes * 60 / epoch)))


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    before, after = [one["eer_before"] for one in runs], [one["eer_after"] for one in runs]
    spread = statistics.stdev(after) if len(after) > 1 else 0.0
    return {
        "seeds": [one["seed"] for one in runs],
        "eer_before": statistics.mean(before),
        "eer_after": statistics.mean(after),
        "eer_after_std": spread,
        "eer_after_by_seed": after,
        "every_seed_improved": all(a < b for a, b in zip(after, before, strict=True)),
    }


def table(document: dict[str, Any]) -> str:
    """The summary as Markdown."""
    lines = ["| loss | EER before | EER after (mean ± s.d.) | each seed |", "|---|---|---|---|"]
    for loss, row in document["losses"].items():
        each = ", ".join(f"{value:.4f}" for value in row["eer_after_by_seed"])
        after = f"{row['eer_after']:.4f} ± {row['eer_after_std']:.4f}"
        lines.append(f"| {loss} | {row['eer_before']:.4f} | {after} | {each} |")
    return "\n".join(lines) + "\n"


def _draw(document: dict[str, Any], file: Path) -> None:
    """A line per run; left out where matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError:
        return
    mpl.use("svg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for colour, (loss, runs) in zip(("C0", "C1", "C2"), document["runs"].items(), strict=False):
        for number, one in enumerate(runs):
            axes.plot(one["eer_by_epoch"], color=colour, alpha=0.8, label=loss if number == 0 else None)
    axes.set(xlabel="epoch", ylabel="EER on 40 held-out identities", ylim=(0, None))
    axes.legend()
    figure.tight_layout()
    mpl.rcParams["svg.hashsalt"] = "knownface"
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
