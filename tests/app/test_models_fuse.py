"""`models fuse`: from photos of known people to a card that can be used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import app.fusion
from app.cli.main import main
from pipeline.config import Settings
from pipeline.errors import NoFaceError
from pipeline.weights import ModelStore
from tests.fakes import RED, write_bars

LABELS = ("sface.2021dec+flip", "sface.2021dec")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 90 people with 3 photos each, whose templates are made up; one photo shows no face."""
    rng = np.random.default_rng(2)
    folder = tmp_path / "people"
    centres = {f"person {number}": rng.normal(size=(2, 16)) for number in range(90)}
    for person in centres:
        for photo in range(3):
            write_bars(folder / person / f"{photo}.png", RED)

    def embedded(settings: Settings, member, folder, names, watch):  # type: ignore[no-untyped-def]
        found = {}
        for name in watch(names, member.label):
            row = centres[name.split("/")[0]][int(member.flip)] + 0.6 * rng.normal(size=16)
            found[name] = (row / np.linalg.norm(row)).astype(np.float32)
        found["person 7/1.png"] = NoFaceError("none")
        return found

    monkeypatch.setattr(app.fusion, "_embedded", embedded)
    return folder


def own_models(models_home: Path, home: Path) -> None:
    (home / "models").unlink()
    (home / "models").mkdir()
    for name in ("yunet.2023mar", "onet.mtcnn", "sface.2021dec"):
        (home / "models" / name).symlink_to(models_home / "models" / name, target_is_directory=True)


def test_fuse_writes_a_card_with_its_evidence_that_can_be_used(
    world: Path, models_home: Path, isolated_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_models(models_home, isolated_home)
    assert main(["models", "fuse", *LABELS, "--folder", str(world), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["fit"]["photos"] == 269
    assert document["fit"]["people"] == 90
    store = ModelStore(isolated_home / "models")
    card = store.card("+".join(LABELS))
    assert [member.label for member in card.members] == list(LABELS)
    assert [member.weight for member in card.members] == document["fit"]["weights"]
    assert abs(card.members[0].weight - 0.5) < 0.2
    assert "people, 270 photos (1 failed)" in card.provenance
    assert "FNMR in % at FMR 0.01" in card.provenance
    assert card.licence.weights == "Apache-2.0"
    assert main(["models", "use", card.name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stack"]["embedder"] == card.name
    assert main(["models", "list"]) == 0
    assert card.name in capsys.readouterr().out
    assert main(["models", "show", card.name]) == 0
    shown = capsys.readouterr().out
    assert f"installed as {store.installed(card.name).model_id}" in shown
    assert "preprocessing" not in shown
    assert main(["models", "pull", card.name, "--json"]) == 0
    pulled = json.loads(capsys.readouterr().out)["pulled"]
    assert [row["name"] for row in pulled] == ["sface.2021dec"]


def test_what_cannot_be_fused_is_a_named_error(
    world: Path, models_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, says in (
        (["sface.2021dec", "nobody.knows"], "no such model"),
        (["sface.2021dec", "sface"], "is no member of an ensemble"),
        (["sface.2021dec"], "two to four members"),
    ):
        assert main(["models", "fuse", *words, "--folder", str(world)]) == 3
        assert says in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["models", "fuse", *LABELS, "--folder", str(tmp_path / "empty")]) == 3
    assert "no photos" in capsys.readouterr().err
