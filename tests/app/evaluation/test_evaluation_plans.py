"""Probes that are the very photos enrolled are counted."""

from __future__ import annotations

from pathlib import Path

from app.evaluation.plans import plan_of_folders, probes_enrolled


def test_probes_that_are_the_enrolled_photos_are_counted(tmp_path: Path) -> None:
    for file, data in {
        "gallery/Ada/1.jpg": b"one",
        "gallery/Bob/1.jpg": b"two",
        "probes/Ada/copy.jpg": b"one",
        "probes/Bob/other.jpg": b"six",
        "probes/Cy/long.jpg": b"longer",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(data)
    assert probes_enrolled(plan_of_folders(tmp_path / "gallery", tmp_path / "probes")) == 1
    assert probes_enrolled(plan_of_folders(tmp_path / "gallery", tmp_path / "gallery")) == 2
