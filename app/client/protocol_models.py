"""What a script can do with models, thresholds and pictures, here or on a server: part of `FaceService`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.client.rows import CalibrationJob, Me, ModelChange, ModelInfo
    from pipeline.gallery import Hold


class ModelService(Protocol):
    """Part of `FaceService`. A change of models and a calibration are processes that outlive whoever started them."""

    def me(self) -> Me:
        """Who asks, and what they may do."""
        ...

    def holds(self) -> list[Hold]:
        """The legal holds in force, by name of the subject."""
        ...

    # --- pictures ---------------------------------------------------------------------------------------------

    def picture(self, subject: str) -> bytes:
        """PNG of the aligned face of the oldest sample whose picture is kept (setting `keep_crops`).

        Raises:
            SubjectNotFoundError: There is no such subject, or no picture.
        """
        ...

    def unknown_picture(self, cluster: str) -> bytes:
        """A small JPEG of an unknown person, the face of the best quality. Raises UnknownClusterError."""
        ...

    def face_picture(self, run: str, face_id: str) -> bytes:
        """A small JPEG of a face of a run. Raises RunNotFoundError where there is no such run or face."""
        ...

    # --- models -----------------------------------------------------------------------------------------------

    def models(self) -> list[ModelInfo]:
        """Every known model."""
        ...

    def model_change(self) -> ModelChange:
        """How far the last change of models is, whoever started it."""
        ...

    def change_model(self, model: str, *, photos: str | Path | None = None, leave_behind: bool = False) -> ModelChange:
        """Starts the change to an installed model: everybody is embedded anew while searches go on with the old one.

        Args:
            model: Its name; `none` is no refiner, `no-liveness` no liveness.
            photos: Folder of the original photos, on the machine that does the work.
            leave_behind: Go on although somebody cannot be embedded.

        Raises:
            ModelError: There is no such model, or it is not installed.
            PhotoUnreadableError: There is no such folder, or not for whoever asks.
            JobError: A change is under way.
        """
        ...

    def rollback_model(self) -> ModelChange:
        """Starts the way back to the embedder of before. Raises JobError where there is none."""
        ...

    def resume_change(self) -> ModelChange:
        """Goes on with a change that was stopped or refused. Raises JobError where there is none."""
        ...

    def stop_change(self) -> ModelChange:
        """Asks a change that was started so to end; what was embedded is kept."""
        ...

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
        """Starts measuring thresholds for error rates, which are used from then on.

        Args:
            fmr: Verify: shares of pairs of different people that match; by default as the settings say.
            fpir: Identify: shares of strangers that get a name; likewise.
            size: Identify: subjects in the gallery; by default as many as now, and growth.
            folder: Measure on FOLDER/PERSON/*.jpg of the machine that does the work, not on the gallery's own photos.
            card: Take the points of the model's card; nothing is measured.

        Raises:
            CalibrationError: What is asked for does not go together, or there is nobody to measure on.
            PhotoUnreadableError: As `change_model`.
            JobError: One is under way.
        """
        ...

    def calibration_job(self) -> CalibrationJob:
        """How the last calibration that was asked for went."""
        ...

    def stop_calibration(self) -> CalibrationJob:
        """Asks the calibration to end; the operating points stay as they are."""
        ...

    def clear_calibration(self) -> bool:
        """Goes back to the operating points of the model's card; returns whether there were others."""
        ...
