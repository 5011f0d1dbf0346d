"""What can be asked of a server about models, thresholds and pictures: each verb once, for both clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.client.calls import Call, path_of, subject_path
from app.client.core import Steps, ask
from app.client.rows import CalibrationJob, Me, ModelChange, ModelInfo
from app.client.run_verbs import of_run, of_unknown

if TYPE_CHECKING:
    from pipeline.gallery import Hold

_CHANGE = "models", "change"


def me() -> Steps[Me]:
    """Who asks."""
    return ask(Call("GET", path_of("me"), lambda said: Me(said["name"], said["role"])))


def holds() -> Steps[list[Hold]]:
    """The legal holds in force."""
    return ask(Call("GET", path_of("holds"), lambda said: [_hold(one) for one in said["holds"]]))


def picture(subject: str) -> Steps[bytes]:
    """The aligned face of a subject."""
    return ask(Call("GET", subject_path(subject, "picture"), bytes, raw=True))


def unknown_picture(cluster: str) -> Steps[bytes]:
    """A small picture of an unknown person."""
    return ask(Call("GET", of_unknown(cluster, "picture"), bytes, raw=True))


def face_picture(run: str, face_id: str) -> Steps[bytes]:
    """A small picture of a face of a run."""
    return ask(Call("GET", of_run(run, "faces", face_id, "picture"), bytes, raw=True))


def models() -> Steps[list[ModelInfo]]:
    """Every known model."""
    return ask(Call("GET", path_of("models"), lambda said: [model_info(one) for one in said["models"]]))


def model_change() -> Steps[ModelChange]:
    """How far the last change is."""
    return ask(Call("GET", path_of(*_CHANGE), _change))


def change_model(model: str, *, photos: str | Path | None = None, leave_behind: bool = False) -> Steps[ModelChange]:
    """Starts a change."""
    body = {"model": model, "photos": None if photos is None else str(photos), "leave_behind": leave_behind}
    return ask(Call("POST", path_of(*_CHANGE), _change, again=False, body=body))


def rollback_model() -> Steps[ModelChange]:
    """Starts the way back."""
    return ask(Call("POST", path_of(*_CHANGE, "rollback"), _change, again=False))


def resume_change() -> Steps[ModelChange]:
    """Goes on with a change."""
    return ask(Call("POST", path_of(*_CHANGE, "resume"), _change, again=False))


def stop_change() -> Steps[ModelChange]:
    """Asks a change to end."""
    return ask(Call("POST", path_of(*_CHANGE, "stop"), _change))


def calibrate(
    *,
    fmr: Sequence[float] = (),
    fpir: Sequence[float] = (),
    size: Sequence[int] = (),
    folder: str | Path | None = None,
    card: bool = False,
) -> Steps[CalibrationJob]:
    """Starts a calibration."""
    rates = {"fmr": list(fmr), "fpir": list(fpir), "size": list(size)}
    body = rates | {"folder": None if folder is None else str(folder), "card": card}
    return ask(Call("POST", path_of("calibration"), _calibration, again=False, body=body))


def calibration_job() -> Steps[CalibrationJob]:
    """How the last one went."""
    return ask(Call("GET", path_of("calibration", "job"), _calibration))


def stop_calibration() -> Steps[CalibrationJob]:
    """Asks it to end."""
    return ask(Call("POST", path_of("calibration", "stop"), _calibration))


def clear_calibration() -> Steps[bool]:
    """Back to the card's points."""
    return ask(Call("DELETE", path_of("calibration"), lambda said: bool(said["cleared"]), again=False))


def model_info(said: Mapping[str, Any]) -> ModelInfo:
    """A row of `app.model_rows`."""
    return ModelInfo(**{name: said[name] for name in ModelInfo.__slots__})


def _change(said: dict[str, Any]) -> ModelChange:
    return ModelChange(**{name: said[name] for name in ModelChange.__slots__})


def _calibration(said: dict[str, Any]) -> CalibrationJob:
    return CalibrationJob(**{name: said[name] for name in CalibrationJob.__slots__})


def _hold(said: dict[str, Any]) -> Hold:
    from pipeline.gallery import Hold

    until = None if said["until"] is None else datetime.fromisoformat(said["until"])
    return Hold(said["subject"], datetime.fromisoformat(said["placed"]), until, said["reason"], said["by"])
