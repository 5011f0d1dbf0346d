"""`knownface calibrate` and `explain`, end to end with coloured bars for faces and a real gallery."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from app.faces import only_face, sample_of
from pipeline.gallery import Gallery
from pipeline.images import open_photo
from pipeline.weights import Card, load_cards
from tests import fakes
from tests.commands import Cli, runner

PEOPLE = 160


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setattr("app.services.build_recognizer", lambda *_, **__: fakes.fake_recognizer())
    monkeypatch.setattr("app.services.embedder_identity", lambda _: (fakes.MODEL_ID, fakes.DIMENSION))
    monkeypatch.setattr("app.services.operating_points", lambda _: CARD)
    monkeypatch.setattr("pipeline.build.start_loading", lambda *_: None)
    return runner(capsys, "--gallery", tmp_path / "gallery")


CARD = (
    *(replace(point, basis="made-up") for point in fakes.points(0.7)),
    *(replace(point, basis="made-up", target=1e-5, threshold=0.9) for point in fakes.points(0.7)),
)


def colour(number: int) -> tuple[int, int, int]:
    return (40 + number, 255 - number, 90)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 people with two photos each; one photo shows nobody, one is none."""
    folder = tmp_path_factory.mktemp("people")
    for number in range(PEOPLE):
        for note in (1, 2):
            fakes.write_bars(folder / f"P{number:03d}" / f"{note}.png", colour(number), note=note)
    fakes.write_bars(folder / "P000" / "3.png")
    (folder / "P001" / "3.jpg").write_bytes(b"junk")
    return folder


def test_verify_uses_what_was_calibrated_and_says_so(cli: Cli, people: Path) -> None:
    pair = [people / "P000" / "1.png", people / "P001" / "1.png"]
    before = cli("--json", "verify", *pair).document
    assert before["operating_point"] == "the model card, made-up"
    result = cli("--json", "calibrate", "--fmr", 0.001, "--folder", people)
    assert result.code == 0
    (point,) = result.document["points"]
    assert (result.document["people"], result.document["photos"], result.document["failed"]) == (PEOPLE, 322, 2)
    assert result.document["failures"] == {"no_face": 1, "photo_format": 1}
    assert point["task"] == "verify"
    assert point["target"] == 0.001
    assert point["fmr"] <= point["fmr_upper"]
    after = cli("--json", "verify", *pair).document
    assert after["threshold"] == point["threshold"] != before["threshold"]
    assert after["operating_point"] == point["origin"]
    assert after["operating_point"].startswith("your calibration of 20")
    assert f"on {PEOPLE} people" in after["reason"]
    assert after["log_likelihood_ratio"] < 0
    assert 0 < after["probability"] < 0.5
    shown = cli("calibrate", "--show")
    assert f"{point['threshold']:.4f}" in shown.out
    assert cli("--json", "calibrate", "--clear").document == {"cleared": True}
    assert cli("--json", "calibrate", "--clear").document == {"cleared": False}
    assert cli("--json", "verify", *pair).document["operating_point"] == "the model card, made-up"


def test_identify_is_calibrated_for_the_gallery_and_for_its_growth(cli: Cli, people: Path) -> None:
    assert cli("--quiet", "enrol", "--folder", people).code == 3, "two photos fail"
    result = cli("--json", "calibrate", "--fpir", 0.05)
    assert result.code == 0, result.err
    assert [point["gallery_size"] for point in result.document["points"]] == [160, 320, 800, 1600]
    thresholds = [point["threshold"] for point in result.document["points"]]
    assert thresholds == sorted(thresholds)
    (face,) = cli("--json", "identify", people / "P007" / "1.png").document["faces"]
    assert (face["subject"], face["threshold"]) == ("P007", thresholds[0])
    assert face["operating_point"].startswith("your calibration")
    listed = cli("--json", "calibrate", "--show").document
    assert [point["task"] for point in listed["in_use"]] == ["verify", "identify"]
    assert [point["origin"] for point in listed["in_use"]] == ["the model card, made-up", face["operating_point"]]
    assert cli("--json", "gallery", "list").code == 0


def test_what_the_people_cannot_show_is_refused_and_changes_nothing(cli: Cli, people: Path) -> None:
    result = cli("--json", "calibrate", "--fmr", 1e-4, "--folder", people)
    assert (result.code, result.document["error"]) == (3, "calibration_refused")
    assert "160 people cannot show a false match rate of 0.0001" in result.document["message"]
    assert "about 492 people" in result.document["message"]
    assert cli("--json", "calibrate", "--show").document["calibration"] == []
    assert "looking" not in result.err, "refused before the photos are looked at"
    assert cli("--json", "calibrate").document["error"] == "calibration_refused", "nobody is enrolled"
    assert cli("--json", "calibrate", "--folder", people / "nobody").document["error"] == "photo_not_found"


def test_rates_that_are_none_are_refused_before_anything_is_done(cli: Cli, tmp_path: Path) -> None:
    result = cli("--json", "calibrate", "--fmr", 0.1, "--fmr", 2, "--fpir", 0)
    assert (result.code, result.document["error"]) == (2, "usage")
    assert "--fmr 2, --fpir 0: a rate lies above 0 and below 1" in result.document["message"]
    assert "0.1" not in result.document["message"]
    assert not (tmp_path / "gallery").exists()
    assert "Missing argument 'PATH...'" in cli("--json", "identify").document["message"]


def test_the_card_says_whose_place_it_takes(cli: Cli, people: Path) -> None:
    assert cli("calibrate", "--fmr", 0.001, "--folder", people).code == 0
    replaced = cli("calibrate", "--card", "--fmr", 0.001)
    assert (replaced.code, "replaced by the card's: verify, threshold" in replaced.err) == (0, True)
    assert "your calibration of 20" in replaced.err
    assert "replaced" not in cli("calibrate", "--card", "--fmr", 0.001).err, "the card's own"


def test_without_rates_those_of_the_settings_are_calibrated(cli: Cli, people: Path, tmp_path: Path) -> None:
    document = cli("--json", "calibrate", "--folder", people).document
    assert [(p["task"], p["target"]) for p in document["points"]] == [("verify", 0.001)], "nobody is enrolled"
    assert cli("--json", "calibrate", "--fpir", 0.1, "--folder", people).code == 2
    cli("--quiet", "enrol", "Ada", people / "P000" / "1.png")
    cli("--quiet", "enrol", "Bob", people / "P001" / "1.png")
    document = cli("--json", "calibrate", "--folder", people).document
    assert [(p["task"], p.get("gallery_size")) for p in document["points"]] == [
        ("verify", None), ("identify", 2), ("identify", 4), ("identify", 10), ("identify", 20)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [("--toml",), ("--card", "--folder", "."), ("--show", "--clear"), ("--fpir", "0.1", "--toml", "--folder", ".")],
)
def test_options_that_do_not_go_together(cli: Cli, people: Path, words: tuple[str, ...]) -> None:
    assert cli("calibrate", *(str(people) if word == "." else word for word in words)).code == 2


def test_the_cards_point_for_another_rate(cli: Cli, people: Path) -> None:
    pair = [people / "P000" / "1.png", people / "P001" / "1.png"]
    points = cli("--json", "calibrate", "--card", "--fmr", 1e-5).document["points"]
    assert [point["threshold"] for point in points] == [0.9]
    verified = cli("--json", "verify", *pair).document
    assert verified["threshold"] == 0.9
    assert verified["operating_point"] == "the model card, made-up, chosen for this gallery"
    assert cli("--json", "calibrate", "--card", "--fmr", 1e-9).document["error"] == "no_operating_point"


def test_the_output_for_a_card_is_read_by_a_card(cli: Cli, people: Path, tmp_path: Path) -> None:
    asked = ("--fmr", 0.01, "--fpir", 0.05, "--size", 20, "--toml", "--name", "bars", "--folder", people)
    result = cli("calibrate", *asked)
    assert result.code == 0, result.err
    document = tomllib.loads(result.out)
    card = next(card for card in load_cards().values() if card.task == "embedder")
    for point in document["operating_points"]:
        point["model_id"] = f"{card.name}@01234567"
    verify, identify = Card.model_validate(card.model_dump() | document).operating_points
    assert (verify.origin, identify.origin) == ("the model card, bars", "the model card, bars")
    assert verify.likelihood is not None
    assert identify.gallery_size == 20
    assert verify.measured_on.startswith("bars: 322 photos of 160 people")
    assert not (tmp_path / "gallery").exists(), "nothing is kept"


# --- explain ---------------------------------------------------------------------------------------------------------


def test_explain_says_what_is_missing(cli: Cli, people: Path, tmp_path: Path) -> None:
    for number in range(3):
        cli("--quiet", "enrol", f"P{number}", people / f"P00{number}" / "1.png")
    probe = fakes.write_bars(tmp_path / "two.png", colour(0), colour(9))
    document = cli("--json", "explain", probe, "P1").document
    assert (document["subject"], document["threshold"]) == ("P1", 0.7)
    first, second = document["faces"]
    assert (first["named"], first["decision"]) == ("P0", "match")
    assert (second["named"], second["decision"]) == (None, "unknown")
    for face in (first, second):
        assert face["rank"] in (1, 2, 3)
        assert face["best_other"]["subject"] != "P1"
        (sample,) = face["scores"]
        assert sample["photo"].endswith("1.png")
        assert sample["score"] < 0.7
        assert any("short of the threshold" in change for change in face["changes"])
        assert any("Only one photo of P1" in change for change in face["changes"])
    assert first["best_other"] == {"subject": "P0", "score": pytest.approx(1, abs=1e-5)}
    assert first["norm"] == 9.0
    named = cli("--json", "explain", probe, "P0").document["faces"][0]
    assert (named["rank"], named["changes"]) == (1, [])
    text = cli("explain", probe, "P1").out
    for word in ("face 1: P0", "face 2: unknown", "P1 is number", "short of the threshold"):
        assert word in text


def test_people_of_another_model_are_said_to_be_enrolled(
    cli: Cli, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = people / "P000" / "1.png"
    with monkeypatch.context() as before:
        before.setattr("app.services.embedder_identity", lambda _: ("old.model@1", fakes.DIMENSION))
        assert "was looked at with" in cli("--quiet", "enrol", "Ada", photo).err  # the installed model is another one
    gallery = Gallery.open(tmp_path / "gallery", "old.model@1", fakes.DIMENSION)
    with gallery:
        faces = fakes.fake_recognizer().analyse(open_photo(photo))
        gallery.enrol("Ada", [sample_of(only_face(faces, None), keep_crop=False)])
    result = cli("--json", "identify", photo)
    (face,) = result.document["faces"]
    assert face["decision"] == "unknown"
    assert face["reason"].startswith(
        f"Nobody enrolled in this gallery (1) has a template of the model in use, {fakes.MODEL_ID}"
    )
    assert "knownface models use old.model" in result.err
    explained = cli("explain", photo, "Ada").out
    assert "Ada is enrolled, but not with a template of the model in use" in explained
    assert cli("gallery", "check").code == 1
    cli("--quiet", "enrol", "Ada", photo)
    assert cli("--json", "identify", photo).document["faces"][0]["subject"] == "Ada"
    checked = cli("gallery", "check")
    assert (checked.code, checked.out) == (0, "no problems: 1 subject, 1 sample\n")
    assert "1 template of other models" in checked.err


def test_explain_a_face_that_lost_its_name_to_another(cli: Cli, people: Path, tmp_path: Path) -> None:
    cli("--quiet", "enrol", "Ada", people / "P000" / "1.png")
    twice = fakes.write_bars(tmp_path / "twice.png", colour(0), colour(0))
    faces = cli("--json", "explain", twice, "Ada").document["faces"]
    assert [face["named"] for face in faces] == ["Ada", None]
    assert "--allow-repeats" in faces[1]["changes"][0]
    rows = cli("--json", "identify", twice).document["faces"]
    assert [row["subject"] for row in rows] == ["Ada", None]
    assert "face 1 of this photo" in rows[1]["reason"]
    rows = cli("--json", "identify", twice, "--allow-repeats").document["faces"]
    assert [row["subject"] for row in rows] == ["Ada", "Ada"]


def test_explain_errors(cli: Cli, people: Path) -> None:
    photo = people / "P000" / "1.png"
    cli("--quiet", "enrol", "Ada", photo)
    assert cli("--json", "explain", photo, "Adah").document["error"] == "subject_not_found"
    assert cli("--json", "explain", people / "none.png", "Ada").document["error"] == "photo_not_found"
