from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import TrainingDataError
from training.data.folder import FolderDataset


def write(file: Path, value: int = 128, side: int = 112) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rgb = np.zeros((side, side, 3), np.uint8)
    rgb[..., 0] = value
    cv2.imwrite(str(file), rgb[..., ::-1])


def test_labels_follow_the_names(tmp_path: Path) -> None:
    for name, value in (("b/2.png", 20), ("b/1.PNG", 10), ("a/x.png", 5), ("b/notes.txt", 0), ("b/.hidden.png", 0)):
        write(tmp_path / name, value) if not name.endswith("txt") else (tmp_path / name).write_text("no photo")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".cache").mkdir()
    found = FolderDataset(tmp_path)
    assert list(found.identities) == ["a", "b"]
    assert found.labels.tolist() == [0, 1, 1]
    assert [found.name(i) for i in range(len(found))] == ["a/x.png", "b/1.PNG", "b/2.png"]
    crops = [found.read(i) for i in range(3)]
    assert [int(crop[0, 0, 0]) for crop in crops] == [5, 10, 20]  # red, so RGB
    assert all(crop.shape == (112, 112, 3) and crop.dtype == np.uint8 and crop[0, 0, 2] == 0 for crop in crops)
    crops[0][:] = 1  # the caller's own


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="cannot be read"):
        FolderDataset(tmp_path / "nowhere")
    with pytest.raises(TrainingDataError, match="holds no identity"):
        FolderDataset(tmp_path)
    write(tmp_path / "a" / "large.png", side=250)
    (tmp_path / "a" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = FolderDataset(tmp_path)
    with pytest.raises(TrainingDataError, match=r"large\.png: is 250x250 pixels"):
        found.read(1)
    with pytest.raises(TrainingDataError, match=r"broken\.png"):
        found.read(0)
