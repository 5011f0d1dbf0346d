"""app.calibration: what is kept with the gallery, and which photos of a folder count."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import app.calibration as under_test
from app.services import Services
from pipeline.calibration.records import KIND, from_document, merged
from pipeline.config import Settings
from pipeline.errors import CalibrationError
from pipeline.gallery import Gallery
from tests import fakes


def test_two_calibrations_at_once_are_both_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for identify is stored while one for verify is: it waits, and loses nothing."""
    verify, identify = fakes.points()
    with (
        Gallery.open(tmp_path, fakes.MODEL_ID, fakes.DIMENSION) as gallery,
        Gallery.open(tmp_path, fakes.MODEL_ID, fakes.DIMENSION) as other,
    ):
        services, elsewhere = (Services(Settings(home=tmp_path)) for _ in range(2))
        services._gallery, elsewhere._gallery = gallery, other
        rival = threading.Thread(target=under_test.keep, args=(elsewhere, [identify]))

        def while_the_rival_tries(*points: Any) -> Any:
            monkeypatch.setattr(under_test, "merged", merged)
            rival.start()
            rival.join(0.5)
            return merged(*points)

        monkeypatch.setattr(under_test, "merged", while_the_rival_tries)
        under_test.keep(services, [verify])
        rival.join(120)
        assert set(from_document(gallery.document(KIND))) == {verify, identify}


# --- photos of a folder -----------------------------------------------------------------------------------------------


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    monkeypatch.setattr("app.services.build_recognizer", lambda *_, **__: fakes.fake_recognizer())
    return Services(Settings())


def test_copies_of_a_photo_count_once(services: Services, tmp_path: Path) -> None:
    for name, colour in (("A", fakes.RED), ("B", fakes.GREEN)):
        for note in (1, 2):
            file = fakes.write_bars(tmp_path / name / f"{note}.png", colour, note=note)
            file.with_name(f"{note} copy.png").write_bytes(file.read_bytes())
    (tmp_path / "A" / "junk.png").write_bytes(b"junk")
    (tmp_path / "A" / "more junk.png").write_bytes(b"junk")
    source = under_test.from_folder(services, tmp_path)
    assert source.repeated == 4
    assert source.photos.owners.tolist() == [0, 0, 0, 0, 1, 1]
    assert source.photos.usable.tolist() == [True, True, False, False, True, True], "what fails is a miss as before"
    assert len(source.photos.vectors) == len(source.photos.norms) == 6
    assert source.failures == {"photo_format": 2}


def test_one_photo_under_two_people_is_refused(services: Services, tmp_path: Path) -> None:
    fakes.write_bars(tmp_path / "A" / "1.png", fakes.RED)
    fakes.write_bars(tmp_path / "A" / "2.png", fakes.RED, note=1)
    fakes.write_bars(tmp_path / "B" / "x.png", fakes.RED)
    with pytest.raises(CalibrationError) as caught:
        under_test.from_folder(services, tmp_path)
    for name in ("A/1.png", "B/x.png"):
        assert name in caught.value.message
    assert "\n" not in caught.value.message
