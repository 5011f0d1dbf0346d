"""The blocks of docs/ that need torch: Python is run, TOML is a configuration, and a run can be used as they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.config import Settings, parse_toml
from pipeline.errors import ConfigError
from tests.doc_blocks import REPOSITORY, Block, blocks, lines, pages
from tests.doc_world import World
from tests.training.engine.runs import config, make_photos
from training.engine.config import TrainConfig
from training.engine.loop import train
from training.margins import MARGINS

FOUND = [block for page in pages() for block in blocks(page)]
CONFIGURATIONS = [block for block in FOUND if block.title in {"train.toml", "first.toml"}]
PYTHON = {block.file.name: block for block in FOUND if block.language == "python" and "training" in block.text}


def run(block: Block, given: dict[str, Any]) -> dict[str, Any]:
    exec(compile("\n" * block.line + block.text, str(block.file), "exec"), given)  # noqa: S102 - as the page says
    return given


def test_every_block_is_here() -> None:
    assert set(PYTHON) == {"training.md", "training-losses.md"}
    assert {block.file.name for block in CONFIGURATIONS} >= {"training.md", "training-data.md"}


def test_every_margin_has_a_row() -> None:
    text = (REPOSITORY / "docs" / "training-losses.md").read_text(encoding="utf-8")
    assert [name for name in MARGINS if f"\n| `{name}` |" not in text] == []


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=lambda block: block.place)
def test_a_configuration(block: Block) -> None:
    values = parse_toml(block.text, Path(block.title), ConfigError)
    whole = {"run": "runs/x", **values, "data": {"path": "faces", **values.get("data", {})}}
    assert TrainConfig.of(whole, block.title).run


def test_a_head_in_a_loop_of_ones_own() -> None:
    given = {"num_classes": 7, "dimension": 16, "labels": torch.tensor([0, 3, 6])}
    embeddings = torch.randn(3, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
    run(PYTHON["training-losses.md"], {**given, "embeddings": embeddings})
    assert embeddings.grad is not None
    assert float(embeddings.grad.abs().sum()) > 0


@pytest.mark.slow
def test_what_was_trained_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    faces = make_photos(tmp_path / "faces", identities=3, photos=4)
    held_out = {"name": "held-out", "path": str(faces)}
    train(config(tmp_path / "runs" / "first", faces, epochs=1, batch=4, evaluation=[held_out]))
    run(PYTHON["training.md"], {})
    (after,) = (
        block for block in FOUND if "knownface models add out/" in block.text and block.file.name == "training.md"
    )
    world = World(tmp_path, monkeypatch, capsys)
    add, use = lines(after.text)
    assert [world.run(add), world.run(use)] == ["", ""]
    assert Settings.load().embedder == "iresnet50.mine"
