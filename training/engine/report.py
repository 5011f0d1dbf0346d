"""What a run says: a live line on a terminal, else plain lines; `log.jsonl` in its folder; curves for TensorBoard."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import IO, Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from pipeline.errors import CheckpointError
from pipeline.extra import need
from pipeline.gallery import private
from training.engine.config import TrainConfig
from training.engine.step import StepResult
from training.engine.world import World

if sys.platform != "win32":
    import resource


class Report:
    """Writes and speaks for the first rank; the others' are silent.

    Args:
        config: Of the run.
        steps: Of the whole run.
        first_step: Where this stretch begins; what the log holds beyond is of a stretch that died, and is cut off.
        world: Its first rank reports.
        quiet: Nothing on the console.

    Attributes:
        untrained_error: Equal error rate on the first verification set before the first step; None if not measured.
    """

    def __init__(self, config: TrainConfig, steps: int, first_step: int, world: World, *, quiet: bool) -> None:
        self._config, self._steps, self._first = config, steps, first_step
        self._active, self._loud, self._device = world.first, world.first and not quiet, world.device
        self._log: IO[str] | None = None
        self._board: Any = None
        self._bar: Any = None
        self.untrained_error: float | None = None
        self._last_time, self._last_step = time.monotonic(), first_step
        self._began = self._last_time

    def __enter__(self) -> Report:
        if self._active:
            private.make_folder(self._config.run)
            file = self._config.run / "log.jsonl"
            kept = _lines_before(file, self._first)
            for entry in map(json.loads, kept):
                self._remember(entry)
            private.touch(file)
            file.write_text("".join(kept), encoding="utf-8")
            self._log = file.open("a", encoding="utf-8", buffering=1)
            if self._config.tensorboard:
                self._board = _board(self._config.run / "tensorboard", self._first)
        if self._loud and sys.stderr.isatty():
            self._bar = _Bar(self._steps, self._first)
        return self

    def __exit__(self, *_error: object) -> None:
        for thing in (self._log, self._board, self._bar):
            if thing is not None:
                thing.close()

    def step(self, done: int, epoch: int, rate: float, result: StepResult) -> None:
        """After each step; every so many of them are logged.

        Args:
            done: Steps done.
            epoch: From 0.
            rate: Learning rate of the step.
            result: What it gave.
        """
        if not self._active or (done % self._config.log_every_steps and done != self._steps):
            return
        now = time.monotonic()
        speed = (done - self._last_step) * self._config.batch / max(now - self._last_time, 1e-9)
        left = (self._steps - done) * (now - self._began) / max(1, done - self._first)
        self._last_time, self._last_step = now, done
        figures = {"loss": result.loss, "lr": rate, "norm": result.norm, "scale": result.scale}
        entry = {"step": done, "epoch": epoch, **figures, "skipped": result.skipped, "images_per_second": speed}
        self._write(entry)
        if self._board is not None:
            for name, value in {**figures, "images_per_second": speed}.items():
                self._board.add_scalar(f"train/{name}", value, done)
        text = (
            f"epoch {epoch + 1}/{self._config.epochs}  step {done}/{self._steps}  loss {result.loss:.4f}  "
            f"{speed:.0f} img/s  lr {rate:.3g}  scale {result.scale:g}  {_memory(self._device)}{_clock(left)} left"
        )
        self._show(text + ("  (skipped: overflow)" if result.skipped else ""), done)

    def evaluation(self, done: int, name: str, figures: dict[str, Any]) -> None:
        """After a verification set."""
        if not self._active:
            return
        entry = {"step": done, "evaluation": name, **figures}
        self._write(entry)
        self._remember(entry)
        if self._board is not None:
            self._board.add_scalar(f"{name}/eer", figures["eer"], done)
        self._last_time, self._last_step = time.monotonic(), done  # what comes next is measured without this
        rates = "  ".join(f"TAR@{fmr} {rate:.4f}" for fmr, rate in figures["tar_at_fmr"].items())
        self.note(f"{name}: EER {figures['eer']:.4f}  {rates}")

    def note(self, text: str) -> None:
        """A line for people."""
        if self._bar is not None:
            self._bar.line(text)
        elif self._loud:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def _show(self, text: str, done: int) -> None:
        if self._bar is not None:
            self._bar.update(text, done)
        else:
            self.note(text)

    def _remember(self, entry: dict[str, Any]) -> None:
        first = [choice.name for choice in self._config.evaluation[:1]]
        error = entry.get("eer")
        if entry["step"] == 0 and entry.get("evaluation") in first and isinstance(error, float):
            self.untrained_error = error

    def _write(self, entry: dict[str, Any]) -> None:
        if self._log is not None:
            self._log.write(json.dumps(entry) + "\n")


class _Bar:
    """A bar with the last figures, on a terminal."""

    def __init__(self, steps: int, first: int) -> None:

        console = Console(stderr=True, markup=False, highlight=False)
        self._progress = Progress(
            BarColumn(bar_width=20), TextColumn("{task.description}", markup=False), console=console
        )
        self._progress.start()
        self._task = self._progress.add_task("", total=steps, completed=first)

    def update(self, text: str, done: int) -> None:
        self._progress.update(self._task, description=text, completed=done)

    def line(self, text: str) -> None:
        self._progress.console.print(text)

    def close(self) -> None:
        self._progress.stop()


def _board(folder: Path, first_step: int) -> Any:
    need("train", "tensorboard")
    from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - only runs that want curves need it

    private.make_folder(folder)  # the events in it have the mode that the umask gives
    return SummaryWriter(str(folder), purge_step=first_step)


def _lines_before(file: Path, step: int) -> list[str]:
    """The whole lines of a log that belong to steps up to `step`."""
    if not step or not file.is_file():
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        return [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{file}: is not the log of a run; move it away to resume") from error


def _memory(device: torch.device) -> str:
    """Peak of the GPU, or of this process where there is none; "" where the system does not say."""
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated(device) / 2**20:.0f} MB  "
    if sys.platform == "win32":
        return ""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit:.0f} MB  "


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}"
