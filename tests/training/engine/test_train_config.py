from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError
from training.engine.config import TrainConfig
from training.engine.setup import build_margin

SMALLEST = {"run": "r", "data": {"path": "p"}}


def test_the_smallest_file_and_the_whole_one_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "c.toml"
    file.write_text('run = "r"\n[data]\npath = "p"\n[margin]\nname = "cosface"\nmargin = 0.4\n', encoding="utf-8")
    config = TrainConfig.read(file)
    assert config.run == tmp_path / "r"
    assert config.data.path == tmp_path / "p"
    assert config.margin.settings == {"margin": 0.4}
    file.write_text(config.toml(), encoding="utf-8")
    assert "weight_decay = 0.0005" in config.toml()
    assert TrainConfig.read(file) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": 3}, "epoch: "),
        ({"epochs": "3"}, "epochs: "),
        ({"data": {}}, r"data\.path: "),
        ({"backbone": {"name": "resnet"}}, "no backbone 'resnet'"),
        ({"backbone": {"name": "vit_t", "width": 2.0}}, "vit_t takes no width"),
        ({"head": {"kind": "dense", "fused": True}}, "neither fused nor sampled"),
        ({"head": {"kind": "tiled", "fused": True}, "optimiser": {"name": "adamw"}}, "moved by SGD"),
        ({"precision": "fp8"}, "precision: "),
        ({"optimiser": {"lr": 0}}, r"optimiser\.lr: "),
        ({"evaluation": [{"name": "a", "path": "x"}, {"name": "a", "path": "y"}]}, "same name"),
    ],
)
def test_what_is_not_allowed_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=r"c\.toml: .*" + message):
        TrainConfig.of({**SMALLEST, **changes}, "c.toml")


def test_margins_take_their_own_settings_only() -> None:
    assert build_margin("arcface", {"margin_rad": 0.3, "scale": 32.0}).scale == 32.0
    with pytest.raises(ConfigError, match=r"margin arcface: .*margin_degrees"):
        build_margin("arcface", {"margin_degrees": 30})
    with pytest.raises(ConfigError, match=r"no margin 'arc'.*arcface"):
        build_margin("arc", {})
