"""`knownface unknown …` from a run to a report with names, without a photo being opened twice."""

from __future__ import annotations

import json
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import pytest

from app.cli.context import Context
from app.services import Services
from tests.app_runs import fake_services
from tests.commands import Cli, runner
from tests.fakes import BLUE, GREEN, RED, write_bars


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolated_home: Path
) -> Cli:
    """Commands whose services know coloured bars; nobody is enrolled. Red is on three photos, blue on two."""

    def services(*_: object, **__: object) -> Services:
        return fake_services(isolated_home, tmp_path / "gallery")

    monkeypatch.setattr(Context, "services", services)
    write_bars(tmp_path / "p/a.png", RED)
    write_bars(tmp_path / "p/b.png", BLUE, RED)
    write_bars(tmp_path / "p/c.png", RED, BLUE, GREEN)
    run = runner(capsys)
    assert run("identify", tmp_path / "p", "--run", "r", "--out", tmp_path / "out").code == 0
    with closing(services()) as made:  # from here on nobody looks at a photo
        monkeypatch.setattr(type(made.recognizer), "analyse", None)
        monkeypatch.setattr(type(made.recognizer), "stream", None)
    return run


def subjects(out: Path) -> list[tuple[str | None, str | None]]:
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text("utf-8").splitlines()]
    return [(row["subject"], row["cluster"]) for row in rows if "face_id" in row]


def test_list_and_show(cli: Cli, tmp_path: Path) -> None:
    assert cli("--json", "unknown", "list").document == {
        "clusters": [
            {"cluster": "U-0001", "faces": 3, "photos": 3, "subject": None},
            {"cluster": "U-0002", "faces": 2, "photos": 2, "subject": None},
        ],
        "alone": 1,
    }
    everybody = cli("--json-lines", "unknown", "list", "--all").lines
    assert [row["cluster"] for row in everybody] == ["U-0001", "U-0002", "U-0003"]
    plain = cli("unknown", "list")
    assert "U-0001" in plain.out
    assert "1 unknown person with a single face is left out" in plain.err
    shown = cli("--json", "unknown", "show", "u1").document
    assert (shown["cluster"], shown["subject"], shown["aliases"]) == ("U-0001", None, [])
    assert [Path(face["photo"]).name for face in shown["faces"]] == ["a.png", "b.png", "c.png"]
    assert set(shown["faces"][0]) == {"face_id", "photo", "box", "quality", "run"}
    assert "U-0002: 2 faces" in cli("unknown", "show", "U-0002").out


def test_a_sheet_of_faces(cli: Cli, tmp_path: Path) -> None:
    page, picture = tmp_path / "s/u1.html", tmp_path / "u1.png"
    for file in (page, picture):
        assert cli("unknown", "show", "U-1", "--out", file).code == 0
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert page.read_text("utf-8").count("data:image/jpeg;base64,") == 3
    assert "http" not in page.read_text("utf-8").replace("http-equiv", "")
    assert cv2.imread(str(picture)).shape == (224, 224, 3)
    refused = cli("--json", "unknown", "show", "U-1", "--out", tmp_path / "u1.pdf")
    assert (refused.code, refused.document["error"]) == (3, "config_invalid")
    (tmp_path / "file").touch()
    assert cli("unknown", "show", "U-1", "--out", tmp_path / "file/u1.png").code == 3


def test_a_name_is_in_the_report_at_once_and_gone_with_the_subject(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = subjects(out)
    assert before.count((None, "U-0001")) == 3
    result = cli("--json", "unknown", "name", "U-0001", "Ann", "--samples", 2)
    document = result.document
    assert (document["named"], document["subject"], document["faces"], document["recognised"]) == (
        "U-0001",
        "Ann",
        3,
        3,
    )
    assert len(document["sample_ids"]) == 2
    assert str(out / "report.html") in document["written"]
    assert subjects(out).count(("Ann", None)) == 3
    assert "Ann" in (out / "report.html").read_text("utf-8")
    assert [row["cluster"] for row in cli("--json", "unknown", "list", "--all").document["clusters"]] == [
        *("U-0002", "U-0003")
    ]
    again = cli("--json", "unknown", "show", "U-0001")
    assert (again.code, again.document["error"]) == (3, "unknown_cluster")
    assert "recognised as Ann" in again.document["message"]
    assert cli("--json", "gallery", "remove", "Ann").code == 0
    assert len(cli("--json", "unknown", "show", "U-0001").document["faces"]) == 3
    assert cli("runs", "report", "r", "--out", out).code == 0
    assert subjects(out) == before


def test_a_number_that_no_face_has_any_more_is_said_not_to_be_there(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "p/c.png").unlink()  # the only photo of U-0003
    assert cli("identify", tmp_path / "p", "--run", "r").code == 0
    said = cli("--json", "unknown", "show", "U-3").document["message"]
    assert said == "there is no unknown person U-0003 any more: no run holds a face of it"


def test_merge_and_split(cli: Cli, tmp_path: Path) -> None:
    merged = cli("--json", "unknown", "merge", "U-0003", "U-0002").document
    assert (merged["merged"], merged["into"], merged["faces"]) == ("U-0003", "U-0002", 3)
    assert cli("--json", "unknown", "show", "U-0003").document["aliases"] == ["U-0003"]
    assert "also U-0003" in cli("unknown", "show", "U-3").out
    faces = cli("--json", "unknown", "show", "U-0002").document["faces"]
    green = [face["face_id"] for face in faces if face["box"][0] == 80]
    split = cli("--json", "unknown", "split", "U-0002", *green).document
    assert (split["split"], split["to"], split["faces"]) == ("U-0002", "U-0004", green)
    assert subjects(tmp_path / "out").count((None, "U-0004")) == 1
    for wrong in (("merge", "U-2", "U-0002"), ("split", "U-0002", "nonsense"), ("name", "anna", "Ann")):
        failed = cli("--json", "unknown", *wrong)
        assert (failed.code, failed.document["error"]) == (3, "unknown_cluster")
        assert "\n" not in failed.document["message"]
    assert cli("--json", "unknown", "name", "U-0002", "\n").document["error"] == "subject_name"
    assert cli("unknown", "split", "U-0002").code == 2


def test_a_policy_that_demands_a_consent_is_obeyed(cli: Cli, isolated_home: Path) -> None:
    from app.policy import profile_file

    (isolated_home / "policy.toml").write_text(profile_file("strict").read_text("utf-8"), "utf-8")
    refused = cli("--json", "unknown", "name", "U-0001", "Ann")
    assert (refused.code, refused.document["error"]) == (3, "consent_missing")
    assert cli("--json", "gallery", "list").document == {"subjects": []}
    soon = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    agreed = ("--consent-purpose", "access", "--consent-until", soon)
    assert cli("--json", "unknown", "name", "U-0001", "Ann", *agreed).document["recognised"] == 3
    assert cli("unknown", "name", "U-0002", "Bob", "--consent-until", "2099-12-31").code == 2
