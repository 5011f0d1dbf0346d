"""Which runtime, and how many threads and faces at once, for each model that is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pipeline.config import Settings
from pipeline.protocols import Session
from pipeline.runtime import PendingSession, load_session
from pipeline.tuned import read_tuned
from pipeline.weights import InstalledModel

Expect = Literal["few", "many"]
#: In one pass through an embedder, where nothing else was measured to be faster.
FACES_AT_ONCE = 4


class Loading:
    """Which runtime, and how many threads and faces at once, for each model.

    Args:
        settings: Which runtime.
        expect: `few` photos: the runtime that starts fastest, loading while other things go on. Otherwise the fastest.
        model_ids: Of detector, refiner (if any) and embedder; what was measured for them holds for them only.
    """

    def __init__(self, settings: Settings, expect: Expect, model_ids: Sequence[str] = ()) -> None:
        self._settings, self._expect = settings, expect
        self._tuned = read_tuned(settings) if expect == "many" else None
        whole = self._tuned if self._tuned and self._tuned.holds_for(model_ids) else None
        self._threads, self._streams = (whole.threads, whole.workers) if whole else (1, 0)
        self.batch = whole.batch if whole else FACES_AT_ONCE

    def session(self, model: InstalledModel) -> Session:
        """The model, loaded or loading."""
        settings = self._settings
        if self._expect == "few":
            runtime = "onnxruntime" if settings.runtime == "auto" else settings.runtime
            return PendingSession(lambda: load_session(model, runtime, provider=settings.provider))
        measured = self._tuned.runtimes.get(model.model_id) if self._tuned else None
        return load_session(model, measured or settings.runtime, self._threads, settings.provider, self._streams)
