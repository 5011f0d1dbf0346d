"""Every file of the hostile corpus through the command line: a named error or a right answer each, never a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli.main import main
from app.photos import is_folder
from tests.hostile import HostileCase, hostile_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[HostileCase]:
    return hostile_corpus(tmp_path_factory.mktemp("hostile"))


def test_identify_survives_them_all_in_one_run(
    corpus: list[HostileCase], models_home: Path, sample_photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    gallery = str(tmp_path / "gallery")
    astronaut = str(sample_photos / "photos/eileen-collins.png")
    assert main(["--quiet", "--gallery", gallery, "enrol", "Eileen Collins", astronaut]) == 0
    capfd.readouterr()
    cases = [case for case in corpus if not is_folder(case.path)]  # a folder stands for the photos in it
    assert len(cases) >= 200
    code = main(["--json", "--quiet", "--gallery", gallery, "identify", *(str(case.path) for case in cases)])
    out, err = capfd.readouterr()
    assert code == 3
    assert "Traceback" not in out + err
    document = json.loads(out)
    errors = {row["photo"]: row for row in document["errors"]}
    faces: dict[str, list[str | None]] = {}
    for row in document["faces"]:
        faces.setdefault(row["photo"], []).append(row["subject"])
    wrong = []
    for case in cases:
        photo = str(case.path)
        if (photo in errors) == (photo in faces):
            wrong.append(f"{case.name}: has {'both' if photo in faces else 'neither'} an error and an answer")
        elif photo in faces:
            if "ok" not in case.acceptable or set(faces[photo]) - {"Eileen Collins", None}:
                wrong.append(f"{case.name}: {faces[photo]}")
        elif errors[photo]["error"] not in case.acceptable | ({"no_face"} if "ok" in case.acceptable else set()):
            wrong.append(f"{case.name}: {errors[photo]}")
        elif "\n" in errors[photo]["message"]:
            wrong.append(f"{case.name}: more than one line")
    assert not wrong, "\n".join(wrong)
    assert sum(names == ["Eileen Collins"] for names in faces.values()) >= 40, "the same portrait in many disguises"


@pytest.mark.parametrize("command", ["enrol", "verify"])
def test_enrol_and_verify_name_every_error(
    corpus: list[HostileCase], models_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    """One of each kind of what is wrong with them."""
    kinds: dict[frozenset[str], HostileCase] = {}
    for case in corpus:
        kinds.setdefault(case.acceptable, case)
    assert len(kinds) >= 5
    for case in kinds.values():
        photo = str(case.path)
        arguments = ["enrol", "Ada", photo] if command == "enrol" else ["verify", photo, photo]
        code = main(["--json", "--gallery", str(tmp_path / "gallery"), *arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err, case.name
        document = json.loads(out)
        assert code in (0, 3), case.name
        if code == 3:
            failed = document["failed"][0] if command == "enrol" else document
            assert failed["error"] in case.acceptable | {"no_face"}, case.name
