"""`knownface export` on SFace and the sample photos: what is right passes, what is broken is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from app.exporting import timing
from pipeline.export import graph
from tests.commands import runner


def wrong_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    right = graph.fold
    monkeypatch.setattr(graph, "fold", lambda m, prep: right(m, prep.model_copy(update={"colour": "bgr"})))


def no_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    """SFace subtracts and scales in its first two nodes."""
    right = graph.read

    def wrong(file: Path) -> Any:
        model = right(file)
        first, second = model.graph.node[:2]
        assert (first.op_type, second.op_type) == ("Sub", "Mul")
        nothing = {first.input[1]: 0.0, second.input[1]: 1.0}
        for entry in model.graph.initializer:
            if entry.name in nothing:
                values = onnx.numpy_helper.to_array(entry)
                plain = np.full_like(values, nothing[entry.name])
                entry.CopyFrom(onnx.numpy_helper.from_array(plain, entry.name))
        return model

    monkeypatch.setattr(graph, "read", wrong)


@pytest.mark.slow
@pytest.mark.parametrize("breaks", [None, wrong_colours, no_normalisation])
def test_sface_passes_unless_it_is_broken(
    sample_photos: Path,
    isolated_home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    breaks: Callable[[pytest.MonkeyPatch], None] | None,
) -> None:
    (isolated_home / "samples").symlink_to(sample_photos, target_is_directory=True)
    monkeypatch.setattr(timing, "ROUNDS", 1)
    if breaks:
        breaks(monkeypatch)
    out = tmp_path / "out"
    result = runner(capsys)(
        "--json", "export", "sface.2021dec", "--precision", "fp16", "--fold-preprocessing", "--out", out
    )
    assert "too few for error rates" in result.err
    written = sorted(file.suffix for file in out.iterdir())
    if breaks:
        assert (result.code, result.document["error"]) == (3, "export_refused")
        assert written == [".html", ".json", ".md"]
    else:
        assert result.code == 0, result.err
        assert written == [".html", ".json", ".md", ".onnx", ".toml"]
        assert result.document["parity"]["data"] == "Knownface's sample photos"
        assert result.document["size"] < 0.55 * result.document["source"]["size"]
        assert len(result.document["parity"]["source_rates"]) == 1
