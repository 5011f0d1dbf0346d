"""Several gloo processes on this machine give the losses and weights of one process with the same global batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rank_child import cases, train
from safetensors.torch import load_file

from pipeline.errors import ConfigError
from training.heads import TiledHead
from training.margins import ArcFace

HERE = Path(__file__).parent
Results = dict[tuple[str, str], list[dict[str, torch.Tensor]]]


def results_of(count: int, folder: Path) -> Results:
    places = [str(HERE), str(HERE.parents[2])]
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(places),
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
    }
    commands = [
        [sys.executable, str(HERE / "rank_child.py"), str(folder), str(rank), str(count)] for rank in range(count)
    ]
    children = [subprocess.Popen(c, env=variables, stderr=subprocess.PIPE, text=True) for c in commands]
    try:
        for child in children:
            _, errors = child.communicate(timeout=240)
            assert child.returncode == 0, errors
    finally:
        for child in children:
            child.kill()
    return {case: [load_file(folder / f"{'-'.join(case)}-{r}.safetensors") for r in range(count)] for case in cases()}


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return results_of(2, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("case", cases(), ids="-".join)
def test_two_ranks_are_one_process(case: tuple[str, str], two_ranks: Results) -> None:
    alone, ranks = train(*case, None), two_ranks[case]
    for result in ranks:
        for name, value in result.items():
            if name != "classes":
                torch.testing.assert_close(value, alone[name], rtol=1e-9, atol=1e-11)
    classes = ranks[0]["classes"] if case[0] == "dense" else torch.cat([result["classes"] for result in ranks])
    torch.testing.assert_close(classes, alone["classes"], rtol=1e-9, atol=1e-11)
    assert float(alone["losses"][0]) != pytest.approx(float(alone["losses"][-1]), rel=1e-3)


def test_shards_of_unequal_size_add_up(two_ranks: Results) -> None:
    assert [len(result["classes"]) for result in two_ranks["tiled", "arcface"]] == [19, 18]


def test_fewer_classes_than_ranks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.heads.tiled.ranks", lambda group: (0, 4))
    with pytest.raises(ConfigError, match="3 classes cannot be divided over 4 ranks"):
        TiledHead(ArcFace(), 3, 8)
