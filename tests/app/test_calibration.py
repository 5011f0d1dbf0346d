"""app.calibration: what is kept with the gallery, and which photos of a folder count."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import app.calibration as under_test
from pipeline.calibration.records import KIND, from_document, merged
from pipeline.gallery import Gallery
from tests import fakes


def test_two_calibrations_at_once_are_both_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for identify is stored while one for verify is: it waits, and loses nothing."""
    verify, identify = fakes.points()
    with (
        Gallery.open(tmp_path, fakes.MODEL_ID, fakes.DIMENSION) as gallery,
        Gallery.open(tmp_path, fakes.MODEL_ID, fakes.DIMENSION) as other,
    ):
        services: Any = SimpleNamespace(gallery=gallery)
        rival = threading.Thread(target=under_test.keep, args=(SimpleNamespace(gallery=other), [identify]))

        def while_the_rival_tries(*points: Any) -> Any:
            monkeypatch.setattr(under_test, "merged", merged)
            rival.start()
            rival.join(0.5)
            return merged(*points)

        monkeypatch.setattr(under_test, "merged", while_the_rival_tries)
        under_test.keep(services, [verify])
        rival.join(30)
        assert set(from_document(gallery.document(KIND))) == {verify, identify}
