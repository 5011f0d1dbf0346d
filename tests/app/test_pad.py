from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.evaluation import pad
from app.live import held, require_live
from pipeline.config import Settings
from pipeline.errors import CalibrationError, NoOperatingPointError, NotLiveError, PhotoNotFoundError
from pipeline.recognizer import Faces
from pipeline.types import AlignedFaces, Decision, Detections, LivenessPoint, Templates
from pipeline.weights import Card, load_cards


def row(kind: str, person: str, score: float) -> pad.Presentation:
    return pad.Presentation(kind, person, score, "" if np.isfinite(score) else "no_face", f"{kind}/{person}.jpg")


ROWS = [
    *(row("live", f"p{i}", 0.9 + i / 100) for i in range(6)),
    *(row("print", f"p{i}", 0.1 + i / 100) for i in range(6)),
    row("replay", "p0", 0.95),
    row("replay", "p1", -np.inf),
    row("live", "p7", -np.inf),
]


def test_rates_by_kind_with_what_was_not_found() -> None:
    result = pad.report(ROWS, 0.5, "another set", "live.test@00000000")
    assert {r["kind"]: (r["rate"], r["count"]) for r in result["apcer"]} == {"print": (0, 6), "replay": (0.5, 2)}
    assert result["bpcer"]["rate"] == pytest.approx(1 / 7)
    assert result["no_face"] == 2
    low, high = result["apcer"][0]["interval"]
    assert (low, high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 6)))
    json.dumps(result, allow_nan=False)


def test_halves_share_no_person() -> None:
    one, other = pad.halves(ROWS)
    assert {r.person for r in one}.isdisjoint({r.person for r in other})
    assert sorted(r.file for r in (*one, *other)) == sorted(r.file for r in ROWS)


def test_the_point_of_a_report_goes_into_a_card() -> None:
    point = pad.point_of(pad.report(ROWS, 0.5, "x", "liveness.faceplugin@27a36d29"), "a set")
    document = load_cards()["liveness.faceplugin"].model_dump(mode="json") | {"liveness": point}
    found = Card.model_validate(document).liveness
    assert found is not None
    assert [(rate.kind, rate.attacks) for rate in found.attacks] == [("print", 6), ("replay", 2)]


def test_sets_without_both_sides_are_refused(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    cv2.imwrite(str(tmp_path / "live" / "a.jpg"), np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(PhotoNotFoundError, match="folder `live`"):
        pad.presentations(tmp_path)
    with pytest.raises(CalibrationError, match="live photos and attacks"):
        pad.report(ROWS[:6], 0.5, "x", "m")
    with pytest.raises(CalibrationError, match="no threshold"):
        pad.choose(ROWS[:6])


def face(live: float | None) -> Faces:
    return Faces(
        "a.jpg",
        "0" * 64,
        Detections(np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32), (10, 10)),
        AlignedFaces(np.zeros((1, 112, 112, 3), np.uint8), np.zeros((1, 2, 3), np.float32)),
        Templates(np.ones((1, 1), np.float32), np.ones(1, np.float32), "a.b@00000000"),
        live=None if live is None else np.array([live], np.float32),
    )


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Settings:
    point = LivenessPoint(0.5, 0.0, 10, load_cards()["liveness.faceplugin"].liveness.attacks, "m", "x")  # type: ignore[union-attr]
    monkeypatch.setattr("app.live.liveness_point", lambda settings: point)
    return Settings(liveness="liveness.faceplugin")


def test_a_face_that_is_not_live_is_neither_named_nor_enrolled(on: Settings) -> None:
    said = Decision("match", 0.8, 0.4, "alike", "a.b@00000000", subject="Ada")
    assert held(on, [said], face(0.9)) == (said,)
    assert held(on, [said], face(None)) == (said,)
    assert held(on, [said], face(0.1))[0].kind == "not_live"
    require_live(on, face(0.9))
    require_live(on, face(None))
    with pytest.raises(NotLiveError, match=r"a\.jpg: This looks like a picture"):
        require_live(on, face(0.1))


def test_a_model_nobody_has_measured_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import build

    card = load_cards()["liveness.faceplugin"].model_copy(update={"liveness": None})

    class Store:
        def __init__(self, *_: object) -> None: ...

        def installed(self, name: str) -> object:
            return type("Model", (), {"card": card, "model_id": "liveness.faceplugin@00000000"})()

    monkeypatch.setattr(build, "ModelStore", Store)
    with pytest.raises(NoOperatingPointError, match="evaluate pad"):
        build.liveness_point(Settings(home=tmp_path, liveness="liveness.faceplugin"))
    assert build.liveness_point(Settings(home=tmp_path)) is None
