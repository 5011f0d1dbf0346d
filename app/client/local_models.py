"""What `Local` does with models, thresholds and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.client.rows import CalibrationJob, Me, ModelChange, ModelInfo
from pipeline.errors import SubjectNotFoundError

if TYPE_CHECKING:
    from app.services import Services
    from pipeline.gallery import Hold


class LocalModels:
    """Part of `Local`.

    Args:
        services: What does the work.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def me(self) -> Me:
        """As `FaceService.me`."""
        actor = self._services.actor
        return Me(actor.name, actor.role.label)

    def holds(self) -> list[Hold]:
        """As `FaceService.holds`."""
        return list(self._services.gallery.holds())

    # --- pictures ---------------------------------------------------------------------------------------------

    def picture(self, subject: str) -> bytes:
        """As `FaceService.picture`."""
        gallery = self._services.gallery
        name = gallery.subject(subject).info.name
        found = gallery.picture(name)
        if found is None:
            raise SubjectNotFoundError(f"{name}: no picture is kept (setting keep_crops)")
        return found

    def unknown_picture(self, cluster: str) -> bytes:
        """As `FaceService.unknown_picture`."""
        from app.unknowns import portrait, refresh

        registry = refresh(self._services)
        return portrait(self._services, registry, registry.resolve(cluster))

    def face_picture(self, run: str, face_id: str) -> bytes:
        """As `FaceService.face_picture`."""
        from app.runs import Run

        return Run.open(self._services.settings.home, run, self._services.file_keys).thumbnail(face_id)

    # --- models -----------------------------------------------------------------------------------------------

    def models(self) -> list[ModelInfo]:
        """As `FaceService.models`."""
        from app.model_rows import known_models

        rows, _ = known_models(self._services.in_force)
        return [ModelInfo(**{name: row[name] for name in ModelInfo.__slots__}) for row in rows]

    def model_change(self) -> ModelChange:
        """As `FaceService.model_change`."""
        from app import model_jobs

        now = model_jobs.standing(self._services)
        return ModelChange(now.state, now.busy, now.what, now.done, now.total, now.message, now.by)

    def change_model(self, model: str, *, photos: str | Path | None = None, leave_behind: bool = False) -> ModelChange:
        """As `FaceService.change_model`: a process of its own, which goes on when this one ends."""
        from app import model_jobs

        model_jobs.use(self._services, model, photos=_absolute(photos), leave_behind=leave_behind)
        return self.model_change()

    def rollback_model(self) -> ModelChange:
        """As `FaceService.rollback_model`; likewise."""
        from app import model_jobs

        model_jobs.rollback(self._services)
        return self.model_change()

    def resume_change(self) -> ModelChange:
        """As `FaceService.resume_change`; likewise."""
        from app import model_jobs

        model_jobs.go_on(self._services)
        return self.model_change()

    def stop_change(self) -> ModelChange:
        """As `FaceService.stop_change`."""
        from app import model_jobs

        model_jobs.stop(self._services)
        return self.model_change()

    # --- thresholds -------------------------------------------------------------------------------------------

    def calibrate(
        self,
        *,
        fmr: Sequence[float] = (),
        fpir: Sequence[float] = (),
        size: Sequence[int] = (),
        folder: str | Path | None = None,
        card: bool = False,
    ) -> CalibrationJob:
        """As `FaceService.calibrate`; likewise."""
        from app import calibration_job

        calibration_job.start(self._services, calibration_job.Asked(fmr, fpir, size, _absolute(folder), card))
        return self.calibration_job()

    def calibration_job(self) -> CalibrationJob:
        """As `FaceService.calibration_job`."""
        from app import calibration_job

        now = calibration_job.standing(self._services)
        return CalibrationJob(now.state, now.started, now.finished, now.by, now.message)

    def stop_calibration(self) -> CalibrationJob:
        """As `FaceService.stop_calibration`."""
        from app import calibration_job

        calibration_job.stop(self._services)
        return self.calibration_job()

    def clear_calibration(self) -> bool:
        """As `FaceService.clear_calibration`."""
        from app import calibration

        return calibration.clear(self._services)


def _absolute(folder: str | Path | None) -> str:
    return "" if folder is None else str(Path(folder).absolute())
