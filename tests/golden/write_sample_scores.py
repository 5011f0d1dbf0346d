"""`python -m tests.golden.write_sample_scores`: writes the golden scores of the sample photos; look at the diff."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

from app.photos import photos_in
from pipeline.build import build_recognizer
from pipeline.config import home
from pipeline.images import open_photo
from pipeline.recognizer import Recognizer


def scores_of(recognizer: Recognizer, folder: Path) -> dict[str, float]:
    """Score of every pair of sample photos, by their two file names."""
    templates = {path.name: recognizer.best_face(open_photo(path)).templates for path in photos_in(folder)}
    return {
        f"{a} {b}": round(float(templates[a].scores(templates[b])[0, 0]), 4)
        for a, b in combinations(sorted(templates), 2)
    }


def main() -> None:
    """Writes the file."""
    recognizer = build_recognizer()
    document = {"model_id": recognizer.model_id, "scores": scores_of(recognizer, home() / "samples")}
    file = Path(__file__).with_name("sample_scores.json")
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
