"""`identify` as a contract: rows, lines and exit codes. Real models, sample photos."""

from __future__ import annotations

from pathlib import Path

from tests.commands import PEOPLE, Cli
from tests.fakes import write_bars


def test_identify_a_folder(cli: Cli, enrolled: Path, sample_photos: Path) -> None:
    result = cli("identify", sample_photos / "photos", "--json", "--gallery", enrolled)
    assert result.code == 0
    document = result.document
    assert set(document) == {"faces", "errors", "runtime"}
    assert set(document["runtime"]) == {"detector", "refiner", "embedder"}
    assert all(used.endswith("/cpu fp32") for used in document["runtime"].values())
    assert document["errors"] == []
    for face in document["faces"]:
        assert {"photo", "box", "subject", "decision", "score", "runner_up", "reason"} <= set(face)
        x0, y0, x1, y1 = face["box"]
        assert x1 - x0 > 20
        assert y1 - y0 > 20
        assert set(face["runner_up"]) == {"subject", "score"}
    named = {Path(face["photo"]).name: (face["subject"], face["decision"]) for face in document["faces"]}
    assert named == {
        "barack-obama-2009.jpg": ("Barack Obama", "match"),
        "barack-obama-2010.jpg": ("Barack Obama", "match"),
        "barack-obama-senate.jpg": ("Barack Obama", "match"),
        "eileen-collins.png": (None, "unknown"),
        "emmanuel-macron-2014.jpg": ("Emmanuel Macron", "match"),
        "jacinda-ardern-2018.jpg": ("Jacinda Ardern", "match"),
        "rishi-sunak.jpg": (None, "unknown"),
    }
    photos = [face["photo"] for face in document["faces"]]
    assert photos == sorted(photos)


def test_identify_by_lines(cli: Cli, enrolled: Path, obama: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"junk")
    blank = write_bars(tmp_path / "blank.png")
    result = cli("--json-lines", "--gallery", enrolled, "identify", obama[0], bad, blank, obama[1])
    assert result.code == 3
    lines = result.lines
    assert [line["photo"] for line in lines] == [str(p) for p in (obama[0], bad, blank, obama[1])]
    assert [line.get("error") for line in lines] == [None, "photo_format", "no_face", None]
    assert [line.get("subject") for line in lines] == ["Barack Obama", None, None, "Barack Obama"]


def test_a_photo_that_fails_is_a_row_and_exits_3_only_then(
    cli: Cli, enrolled: Path, obama: list[Path], tmp_path: Path
) -> None:
    blank = write_bars(tmp_path / "blank.png")
    result = cli("--json", "--gallery", enrolled, "identify", blank, obama[0])
    assert result.code == 0, "a photo without a face is an answer"
    (row,) = result.document["errors"]
    assert set(row) == {"photo", "error", "message"}
    assert (row["photo"], row["error"]) == (str(blank), "no_face")
    assert len(result.document["faces"]) == 1
    result = cli("--json", "--gallery", enrolled, "identify", tmp_path / "none.jpg", obama[0])
    assert result.code == 3
    assert len(result.document["faces"]) == 1
    assert result.document["errors"][0]["error"] == "photo_not_found"


def test_identify_for_people(cli: Cli, enrolled: Path, sample_photos: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"junk")
    result = cli("--gallery", enrolled, "identify", sample_photos / "photos", bad)
    assert len(result.out.splitlines()) == 1 + 7 + 1, "a heading, and a line each"
    assert "Barack Obama" in result.out
    (unknown,) = [line.split() for line in result.out.splitlines() if "rishi-sunak" in line]
    assert unknown[2] == "(unknown)"
    assert " ".join(unknown[3:5]) in PEOPLE, "whom the score belongs to"
    assert "photo_format" in result.out
    assert str(bad) in result.err


def test_identify_nothing(cli: Cli, enrolled: Path, tmp_path: Path) -> None:
    document = cli("--json", "--gallery", enrolled, "identify", tmp_path).document
    assert (document["faces"], document["errors"]) == ([], [])


def test_who_only_looks_makes_no_gallery(cli: Cli, obama: list[Path], tmp_path: Path) -> None:
    typo = tmp_path / "a" / "typo"
    listed = cli("--json", "--gallery", typo, "gallery", "list")
    assert (listed.code, listed.document) == (0, {"subjects": []})
    assert cli("--gallery", typo, "gallery", "show", "Ada").code == 3
    named = cli("--json", "--gallery", typo, "identify", obama[0], tmp_path / "none.jpg")
    assert (named.code, len(named.document["faces"])) == (3, 1)
    for result in (listed, named):
        assert f"{typo}: there is no gallery there" in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_backup_makes_no_folder(cli: Cli, enrolled: Path, tmp_path: Path) -> None:
    result = cli("--json", "--gallery", enrolled, "gallery", "backup", tmp_path / "no" / "where" / "x.db")
    assert (result.code, result.document["error"]) == (3, "gallery_error")
    assert "there is no folder" in result.document["message"]
    assert list(tmp_path.iterdir()) == []


def test_identify_in_an_empty_gallery(cli: Cli, obama: list[Path], tmp_path: Path) -> None:
    (face,) = cli("--json", "--gallery", tmp_path / "new", "identify", obama[0]).document["faces"]
    assert (face["decision"], face["subject"], face["score"], face["runner_up"]) == ("unknown", None, None, None)
