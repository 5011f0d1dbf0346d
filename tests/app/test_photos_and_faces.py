"""Which photos of a folder there are, and which face of a photo is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.photos import photos_in
from app.services import only_face, pick_face
from pipeline.errors import (
    NoFaceError,
    SeveralFacesError,
)
from pipeline.images import from_array
from tests.fakes import (
    BLUE,
    GREEN,
    RED,
    bars,
    fake_recognizer,
)


def test_picking_a_face() -> None:
    faces = fake_recognizer().analyse(from_array(bars(RED, GREEN, BLUE), "three.png"))
    assert pick_face(faces, 2).aligned.crops[0, 0, 0].tolist() == list(GREEN)
    assert pick_face(faces, 2).detections.boxes[0, 0] == 40
    for number in (0, 4, -1):
        with pytest.raises(SeveralFacesError, match="shows 3 faces"):
            pick_face(faces, number)
    assert only_face(faces, 3).aligned.crops[0, 0, 0].tolist() == list(BLUE)
    with pytest.raises(SeveralFacesError, match=r"^three\.png: shows 3 faces"):
        only_face(faces, None)
    with pytest.raises(NoFaceError):
        only_face(fake_recognizer().analyse(from_array(bars())), None)


def test_photos_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "sub/c.heic", "sub/.hidden.jpg", ".cache/d.jpg", "notes.txt", "e.jpg.part"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    (tmp_path / "folder.jpg").mkdir()
    assert [str(path.relative_to(tmp_path)) for path in photos_in(tmp_path)] == ["a.png", "b.JPG", "sub/c.heic"]
    hidden = tmp_path / ".cache"
    assert [path.name for path in photos_in(hidden)] == ["d.jpg"], "a folder that is named is looked into"
