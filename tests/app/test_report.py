"""app.report: one self-contained file in which no name can become markup."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.report import Shown, boxed_thumbnail, data_uri, write_report
from app.services import Identification
from pipeline.errors import PhotoDamagedError
from pipeline.images import from_array
from pipeline.types import Decision
from tests.fakes import GREEN, RED, bars, detections_at, fake_recognizer

EVIL = """<script>alert('x')</script>"&{title}<img src=http://evil.example/x onerror=alert(1)>"""


class Page(HTMLParser):
    """Collects what a browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(
    tmp_path: Path, name: str = "Ada", photo: str = "party.jpg", caption: str = "by me", reason: str = "so"
) -> Page:
    picture = from_array(bars(RED, GREEN), photo)
    faces = fake_recognizer().analyse(picture)
    decisions = (
        Decision("match", 0.91, 0.4, reason, "m", name, ("Bob " + name, 0.2)),
        Decision("unknown", None, None, reason, "m"),
    )
    write_report(
        tmp_path / "report.html",
        title=f"Report {name}",
        facts=[("program", name)],
        enrolled=[(name, Shown(picture, caption))],
        identified=[
            (Identification(photo, faces, decisions), Shown(picture, caption)),
            (Identification(photo, error=PhotoDamagedError(f"{photo}: broken {name}")), None),
        ],
    )
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_it_says_who_was_found_with_which_score(tmp_path: Path) -> None:
    found = page(tmp_path)
    said = [
        "✓ Ada",
        "0.910",
        "threshold 0.400",
        "next best Bob Ada 0.200",
        "? unknown",
        "party.jpg: broken Ada",
        "by me",
    ]
    for words in said:
        assert words in found.text
    assert found.open == [], "every tag is closed"
    assert len([tag for tag, _ in found.tags if tag == "img"]) == 1 + 1 + 2, "person, photo and two faces"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    found = page(tmp_path)
    for tag, attributes in found.tags:
        assert tag not in ("script", "link", "iframe", "object", "a")
        for key in ("src", "href", "srcset"):
            assert (attributes.get(key) or "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
    policy = next(a["content"] for t, a in found.tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "url(" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_names_captions_reasons_and_file_names_never_become_markup(tmp_path: Path) -> None:
    plain = page(tmp_path)
    evil = page(tmp_path, name=EVIL, photo=EVIL.replace("/", ""), caption=EVIL, reason=EVIL)
    assert [tag for tag, _ in evil.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(attributes) for _, attributes in evil.tags] == [sorted(attributes) for _, attributes in plain.tags]
    assert evil.text.count(EVIL) >= 6, "and they are shown as they are"


def test_unicode_and_bidirectional_names_are_shown(tmp_path: Path) -> None:
    found = page(tmp_path, name="名前 Ω é 🦊 עברית")
    assert "✓ 名前 Ω é 🦊 עברית" in found.text
    assert ("meta", {"charset": "utf-8"}) in found.tags


def test_a_report_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page(tmp_path)
    before = (tmp_path / "report.html").read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        page(tmp_path, name="Bob")
    assert (tmp_path / "report.html").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_boxes_are_drawn_where_the_faces_are() -> None:
    photo = from_array(np.zeros((400, 800, 3), np.uint8))
    found = detections_at([(200, 100, 400, 300)], (400, 800))
    image = boxed_thumbnail(photo, found, 400)
    assert image.shape == (200, 400, 3)
    yellow = np.argwhere((image == (255, 214, 0)).all(axis=-1))
    assert yellow.min(axis=0).tolist() == pytest.approx([50, 100], abs=2)
    assert yellow.max(axis=0).tolist() == pytest.approx([150, 200], abs=2)
    assert not boxed_thumbnail(photo, None, 400).any()
    assert boxed_thumbnail(photo, detections_at([(-50, -50, 900, 500)], (400, 800)), 400).shape == (200, 400, 3)


def test_pictures_keep_their_colours() -> None:
    uri = data_uri(np.full((16, 16, 3), (250, 10, 20), np.uint8))
    data = base64.b64decode(re.sub("^data:image/jpeg;base64,", "", uri))
    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert back is not None
    np.testing.assert_allclose(back[8, 8, ::-1], (250, 10, 20), atol=6)
