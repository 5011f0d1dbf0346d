"""What is said of a known model: what it is for, under which terms, whether it is installed, and what it runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.weights import InstalledModel, StoreRow


TASKS = ("detector", "refiner", "embedder", "quality", "liveness", "eyes")


def known_models(settings: Settings) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Every known model as it goes into JSON, and which are in use for each task."""
    from pipeline.weights import ModelStore

    stack = {task: str(getattr(settings, task)) for task in TASKS if hasattr(settings, task)}
    return [model_row(row, stack, settings) for row in ModelStore(settings.models_dir).list()], stack


def model_row(row: StoreRow, stack: dict[str, str], settings: Settings) -> dict[str, Any]:
    """One model as it goes into JSON."""
    card, model = row.card, row.installed
    return {
        "name": card.name,
        "title": card.title,
        "task": card.task,
        "family": card.family,
        "pack": card.pack,
        "installed": model is not None,
        "in_use": card.name in stack.values(),
        "model_id": model.model_id if model else None,
        "size": row.size,
        "licence": card.licence.weights,
        "commercial_use": card.licence.commercial_use,
        "runtime": model.runtime.model_dump() if model and model.runtime else None,
        "precision": card.precision,
        "runs_on": runs_on(model, settings) if model and not card.members else None,
        "origin": model.origin if model else "",
        "problem": row.problem,
    }


def runs_on(model: InstalledModel, settings: Settings) -> str:
    """Runtime, provider and precision that a batch uses under these settings, e.g. `openvino/cpu fp32`."""
    from pipeline.tuned import read_tuned

    tuned = read_tuned(settings)
    runtime: str = settings.runtime
    if runtime == "auto" and settings.provider != "cpu":
        runtime = "onnxruntime"
    elif runtime == "auto":
        measured = model.runtime.runtime if model.runtime else "onnxruntime"
        runtime = tuned.runtimes.get(model.model_id, measured) if tuned else measured
    return f"{runtime}/{settings.provider} {model.card.precision}"
