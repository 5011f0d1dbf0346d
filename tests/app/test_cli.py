"""The command line as a contract, whatever the command: exit codes, JSON documents, data on stdout alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.main import hoisted
from pipeline.version import __version__
from tests.commands import PEOPLE, Cli, Result
from tests.fakes import write_bars

# --- evaluate --------------------------------------------------------------------------------------------------------


def test_evaluate_pairs_on_a_tiny_set(cli: Cli, sample_photos: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for name, files in {
        "Obama": sorted(sample_photos.glob("photos/barack-obama-*")),
        "Ardern": [*sample_photos.glob("*/jacinda*"), *sample_photos.glob("enrol/*/jacinda*")],
        "Sunak": [sample_photos / "photos/rishi-sunak.jpg"],
    }.items():
        for number, file in enumerate(files, 1):
            (photos / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, photos / name / f"{name}_{number:04d}.jpg")
    pairs = tmp_path / "pairs.txt"
    pairs.write_text(
        "Obama\t1\t2\nObama\t1\t3\nObama\t2\t3\nArdern\t1\t2\nSunak\t1\t2\n"
        "Obama\t1\tArdern\t1\nObama\t2\tSunak\t1\nArdern\t2\tSunak\t1\nObama\t3\tArdern\t2\nObama\t3\tSunak\t1\n",
        encoding="utf-8",
    )
    scores = tmp_path / "scores.csv"
    result = cli("--json", "evaluate", "pairs", "--photos", photos, "--pairs", pairs, "--scores", scores)
    assert result.code == 0
    document = result.document
    contract = {"pairs", "mated", "non_mated", "fta", "accuracy", "eer", "tar_at_fmr", "model_id"}
    assert contract <= set(document), "scripts outside the project read these"
    assert set(document) - contract == {"protocol", "subjects", "failures", "eer_interval", "auc", "groups", "runtime"}
    assert (document["pairs"], document["mated"], document["non_mated"], document["fta"]) == (10, 5, 5, 1)
    assert document["accuracy"]["mean"] == pytest.approx(0.9), "all but the pair that lacks a photo"
    assert {"mean", "std"} <= set(document["accuracy"])
    assert (document["subjects"], document["failures"]) == (3, {"photo_not_found": 1})
    assert document["auc"] == pytest.approx(0.8), "the mated pair without a photo counts as the least alike"
    assert document["groups"] == {}, "nobody asked for any"
    assert document["tar_at_fmr"] == []
    lines = scores.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "a,b,mated,score,failure"
    assert lines[5] == "Sunak/Sunak_0001.jpg,Sunak/Sunak_0002.jpg,1,,photo_not_found"
    people = cli("evaluate", "pairs", "--photos", photos, "--pairs", pairs)
    assert people.code == 0
    assert re.search(r"failures to acquire \(FTA\) +1\n.*photo_not_found +1\n", people.out)


def test_evaluate_a_pairs_file_that_is_none(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text("hello\n", encoding="utf-8")
    result = cli("--json", "evaluate", "pairs", "--photos", tmp_path, "--pairs", file)
    assert (result.code, result.document["error"]) == (3, "config_invalid")
    assert cli("evaluate", "pairs", "--photos", tmp_path, "--pairs", tmp_path / "none.txt").code == 2


# --- global ----------------------------------------------------------------------------------------------------------


def test_global_options_stand_before_or_after(cli: Cli, enrolled: Path) -> None:
    first = cli("--gallery", enrolled, "--json", "gallery", "list")
    for arguments in (
        ("gallery", "list", "--json", "--gallery", enrolled),
        ("gallery", "--json", "list", f"--gallery={enrolled}"),
        ("--json", "gallery", "--gallery", enrolled, "list", "--quiet"),
    ):
        assert cli(*arguments) == first


def test_hoisting_stops_at_two_dashes_and_keeps_the_order() -> None:
    assert hoisted(["enrol", "--json", "--", "--json", "a"]) == ["--json", "enrol", "--", "--json", "a"]
    assert hoisted(["x", "--gallery", "--json", "y"]) == ["--gallery", "--json", "x", "y"]
    assert hoisted(["x", "--gallery"]) == ["x", "--gallery"]
    assert hoisted(["x", "--config=a", "--quiet", "b"]) == ["--config=a", "--quiet", "x", "b"]
    assert hoisted([]) == []


def test_the_gallery_comes_from_the_environment_too(cli: Cli, enrolled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOWNFACE_GALLERY", str(enrolled))
    assert listed_names(cli("--json", "gallery", "list")) == PEOPLE
    assert listed_names(cli("--json", "gallery", "list", "--gallery", enrolled.parent / "other")) == []


def listed_names(result: Result) -> list[str]:
    return [row["subject"] for row in result.document["subjects"]]


def test_config(cli: Cli, enrolled: Path, tmp_path: Path, models_home: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text(f"gallery = {json.dumps(str(enrolled))}\n", encoding="utf-8")
    assert listed_names(cli("--json", "gallery", "list", "--config", config)) == PEOPLE
    config.write_text("nonsense = 1\n", encoding="utf-8")
    result = cli("--json", "gallery", "list", "--config", config)
    assert (result.code, result.document["error"]) == (3, "config_invalid")
    assert "nonsense" in result.document["message"]


def test_version_and_help(cli: Cli) -> None:
    assert cli("--version") == Result(0, f"knownface {__version__}\n", "")
    for words in (["--help"], ["-h"], ["enrol", "--help"], ["gallery", "--help"], ["gallery", "check", "-h"]):
        result = cli(*words)
        assert result.code == 0
        assert "Usage: knownface" in result.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("--nonsense",),
        ("verify", "one"),
        ("verify", "a", "b", "c"),
        ("verify", "a", "b", "--face-a", "0"),
        ("verify", "a", "b", "--face-a", "x"),
        ("enrol",),
        ("enrol", "Ada"),
        ("enrol", "Ada", "x.jpg", "--folder", "y"),
        ("identify",),
        ("gallery", "nonsense"),
        ("gallery", "rename", "Ada"),
        ("evaluate", "pairs"),
        ("--gallery",),
    ],
)
def test_wrong_usage_exits_2_and_says_so_on_stderr(cli: Cli, arguments: tuple[str, ...]) -> None:
    result = cli(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "Usage" in result.err or "requires an argument" in result.err


def test_a_missing_sub_command_is_said_without_the_help_text(cli: Cli) -> None:
    result = cli("--json", "runs")
    assert (result.code, result.document["error"]) == (2, "usage")
    assert result.document["message"].endswith("a command is missing after `knownface runs`: see --help")


def test_an_enrol_folder_that_is_not_there_or_has_no_photos(cli: Cli, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        result = cli("--json", "enrol", "--folder", folder)
        assert (result.code, result.document["error"]) == (3, "photo_not_found")


def test_progress_and_notes_stay_off_stdout_and_quiet_silences_them(
    cli: Cli, tmp_path: Path, obama: list[Path]
) -> None:
    for flags in ((), ("--quiet",)):
        gallery = tmp_path / f"g{len(flags and flags[0])}"
        result = cli(*flags, "--gallery", gallery, "enrol", "Barack Obama", *obama)
        assert result.code == 0
        assert len(result.out.splitlines()) == 2
        if flags == ("--quiet",):
            assert result.err == ""


def test_a_read_only_place_is_a_named_error(cli: Cli, obama: list[Path], tmp_path: Path) -> None:
    if os.geteuid() == 0:
        place = Path("/proc/nowhere")
    else:
        place = tmp_path / "locked"
        place.mkdir(mode=0o500)
    result = cli("--json", "--gallery", place / "gallery", "enrol", "Ada", obama[0])
    assert result.code == 3
    assert set(result.document) == {"error", "message"}


def test_an_interrupt_is_not_a_no(cli: Cli, obama: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 means non-match; somebody who pressed Ctrl-C got no answer."""
    from app.services import Services

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Services, "verify", interrupted)
    result = cli("--json", "verify", *obama)
    assert result.code == 130
    assert result.out == ""


def test_help_needs_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys; from app.cli.main import main; main(['--help']); "
        "print([m for m in ('numpy', 'cv2', 'onnxruntime', 'openvino', 'faiss', 'sqlalchemy', 'streamlit', 'torch', "
        "'pydantic', 'rich') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_comparing_two_photos_without_a_gallery_imports_no_database(
    models_home: Path, obama: list[Path], tmp_path: Path
) -> None:
    code = (
        "import sys; from app.cli.main import main; main(sys.argv[1:]); "
        "print([m for m in ('sqlalchemy', 'faiss', 'asyncio', 'app.runs', 'app.unknowns') if m in sys.modules], "
        "file=sys.stderr)"
    )
    arguments = ["--gallery", str(tmp_path / "none"), "verify", *map(str, obama[:2])]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("match")
    assert done.stderr.strip() == "[]"


@pytest.mark.slow
def test_the_demo_runs_twice_with_the_same_result(cli: Cli, sample_photos: Path, tmp_path: Path) -> None:
    where = Path(shutil.copytree(sample_photos, tmp_path / "demo", ignore=shutil.ignore_patterns(".*")))
    shown = cli("demo", "--dir", where)
    assert shown.code == 0
    assert shown.out.count("Barack Obama") >= 3
    assert "knownface --gallery" in shown.out, "and says how to open the web page"
    before = (where / "report.html").read_bytes()
    again = cli("--json", "--quiet", "demo", "--dir", where)
    assert Path(again.document["report"]) == where / "report.html"
    assert [face["subject"] for face in again.document["faces"]].count("Barack Obama") == 3
    assert (where / "report.html").read_bytes() == before
    assert b"Barack Obama" in before


# --- explain ---------------------------------------------------------------------------------------------------------


def test_explain_where_no_face_is_found(cli: Cli, gallery: Path, sample_photos: Path, tmp_path: Path) -> None:
    blank = write_bars(tmp_path / "blank.png")
    nothing = cli("--gallery", gallery, "--json", "explain", blank, "Barack Obama").document
    assert nothing["faces"] == []
    assert "resembles a face" in nothing["missed"]
    strict = tmp_path / "strict.toml"
    strict.write_text("min_face = 2000.0\n", encoding="utf-8")
    photo = next(sample_photos.glob("photos/rishi-sunak*"))
    small = cli("--config", strict, "--gallery", gallery, "--json", "explain", photo, "Barack Obama").document
    assert "smaller than min_face" in small["missed"]
