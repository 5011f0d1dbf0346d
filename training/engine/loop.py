"""A run from its first step, or from a checkpoint, to its last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.errors import CheckpointError, ConfigError
from pipeline.gallery import private
from training.data.loader import worker_deaths_named
from training.engine import checkpoint
from training.engine.checkpoint_state import Progress
from training.engine.config import TrainConfig
from training.engine.evaluate import VerificationSet, evaluate
from training.engine.report import Report
from training.engine.schedule import learning_rate
from training.engine.setup import Parts, build, build_evaluations
from training.engine.world import world as joined


def train(config: TrainConfig, *, resume: bool = False, quiet: bool = False) -> dict[str, Any] | None:
    """Trains; with `resume` goes on from the last checkpoint exactly as if it had never stopped.

    Args:
        config: What to do.
        resume: Whether the run's folder holds a checkpoint to go on from; otherwise it must hold none. A run that died
            before its first is started again in the same folder.
        quiet: Nothing on the console.

    Returns:
        `run`, `steps`, `loss` of the last step (None if there was none left to do), `best_error`, `best_step`,
        `untrained_error` (equal error rate before the first step, which is never the best); None on all ranks but the
        first.

    Raises:
        ConfigError: The choices do not go together, or the folder holds another run.
        TrainingDataError: A photo cannot be used.
        CheckpointError: There is nothing to resume from, or it does not fit.
        DivergedError: The loss or the gradients are no longer finite.
        TrainingError: A process that reads photos died.
    """
    if not resume and any((config.run / "checkpoints").glob("[!.]*")):
        raise ConfigError(f"{config.run}: holds a run already; `--resume` goes on with it, or name another folder")
    with worker_deaths_named(), joined(config.device) as world:
        parts = build(config, world)
        sets = build_evaluations(config)
        progress = checkpoint.restore(parts, checkpoint.find(config.run)) if resume else Progress()
        if world.first:
            private.make_folder(config.run)
            private.touch(config.run / "config.toml")
            (config.run / "config.toml").write_text(config.toml(), encoding="utf-8")
        with Report(config, parts.plan.steps, progress.step, world, quiet=quiet) as report:
            result = _run(parts, sets, progress, report)
        return result if world.first else None


def _run(parts: Parts, sets: list[VerificationSet], progress: Progress, report: Report) -> dict[str, Any]:
    config, plan, choice = parts.config, parts.plan, parts.config.optimiser
    warmup = round(config.schedule.warmup_epochs * plan.steps_per_epoch)
    loss = None
    if progress.step == 0:
        progress = _evaluate(parts, sets, progress, report)
    for step, micro_batches in enumerate(parts.batches.starting(progress.step), progress.step):
        rate = learning_rate(
            step,
            plan.steps,
            peak=choice.lr,
            final=config.schedule.final_lr,
            warmup=warmup,
            decay=config.schedule.decay,
            power=config.schedule.power,
        )
        result = parts.stepper(micro_batches, step=step, rate=rate)
        if parts.average is not None and not result.skipped:
            parts.average.update_parameters(parts.network)
        loss, before = result.loss, progress
        progress = progress.model_copy(update={"step": step + 1})
        report.step(progress.step, step // plan.steps_per_epoch, rate, result)
        if progress.step % plan.steps_per_epoch == 0:
            progress = _evaluate(parts, sets, progress, report)
        elif config.save_every_steps == 0 or progress.step % config.save_every_steps:
            continue
        checkpoint.save(parts, progress, best=progress.best_step != before.best_step)
    return {
        "run": str(config.run),
        "steps": plan.steps,
        "loss": loss,
        "best_error": progress.best_error,
        "best_step": progress.best_step,
        "untrained_error": report.untrained_error,
    }


def _evaluate(parts: Parts, sets: list[VerificationSet], progress: Progress, report: Report) -> Progress:
    """Error rates after the epoch that has just ended (or before the first); the first set says what is best."""
    epoch = progress.step // parts.plan.steps_per_epoch
    for number, (choice, chosen) in enumerate(zip(parts.config.evaluation, sets, strict=True)):
        if epoch % choice.every_epochs and progress.step != parts.plan.steps:
            continue
        figures = evaluate(parts.stepper, parts.evaluated, chosen)
        report.evaluation(progress.step, chosen.name, figures)
        better = progress.best_error is None or figures["eer"] < progress.best_error
        if number == 0 and better and progress.step:
            progress = progress.model_copy(update={"best_error": figures["eer"], "best_step": progress.step})
    return progress


def read_run(run: Path) -> TrainConfig:
    """The configuration of a run that was begun, wherever its folder now is.

    Raises:
        CheckpointError: The folder holds no run.
        ConfigError: Its configuration was spoilt.
    """
    file = run / "config.toml"
    if not file.is_file():
        raise CheckpointError(f"{run}: holds no run (there is no config.toml in it)")
    return TrainConfig.read(file).model_copy(update={"run": run.absolute()})
