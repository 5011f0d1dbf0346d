from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.cli.main import main
from tests.training.data.shards import crop, png
from training.data.preview import preview_rows
from training.data.sheet import contact_sheet
from training.engine.config import TrainConfig


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for value in range(6):
        file = tmp_path / "set" / f"p{value % 2}" / f"{value}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(crop(value)))
    text = (
        f'run = "{tmp_path}/run"\nseed = 4\n[data]\npath = "{tmp_path}/set"\n[data.augment]\nmask = 0.5\nblur = 0.5\n'
    )
    (tmp_path / "train.toml").write_text(text)
    return tmp_path / "train.toml"


def test_a_sheet_shows_what_training_sees(config: Path) -> None:
    from training.data import Plan, open_dataset
    from training.data.loader import Batches
    from training.engine.setup import build_augmentations

    chosen = TrainConfig.read(config)
    rows = preview_rows(chosen, rows=6, columns=3, each=False)
    dataset = open_dataset(chosen.data.path)
    augmentations = build_augmentations(chosen.data.augment)
    seen: dict[tuple[int, int], np.ndarray] = {}
    batches = Batches(dataset, Plan(6, 2, 4, 3), augmentations=augmentations)
    for keys, micro in zip(batches.keys(0), batches.starting(0), strict=True):
        for key, photo in zip(keys, micro[0][0], strict=True):
            seen[key] = photo.permute(1, 2, 0).numpy()
    for number, (name, crops) in enumerate(rows):
        assert name == dataset.name(number)
        np.testing.assert_array_equal(crops[0], dataset.read(number))
        for epoch in range(3):
            np.testing.assert_array_equal(crops[1 + epoch], seen[epoch, number])


def test_the_command_writes_a_picture(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "sheet.png"
    assert main(["data", "preview", str(config), str(sheet), "--each", "--columns", "2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows == ["flip", "mask", "occlusion", "colour", "blur", "downscale", "jpeg"]
    assert cv2.imread(str(sheet)).shape == (7 * (112 + 4 + 18) + 4, 3 * 116 + 4, 3)


def test_a_sheet_puts_crops_below_their_words() -> None:
    sheet = contact_sheet([("é", [crop(1), crop(2)]), ("b", [crop(3)])])
    np.testing.assert_array_equal(sheet[18 : 18 + 112, 4:116], crop(1))
    np.testing.assert_array_equal(sheet[18 : 18 + 112, 120:232], crop(2))
    np.testing.assert_array_equal(sheet[134 + 18 : 134 + 130, 4:116], crop(3))
    assert (sheet[0:18, 4:100] < 128).any()
