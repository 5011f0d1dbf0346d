"""A photo's templates are the same to the last bit whatever shares a batch with it: runs rely on it (docs/batch.md)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.build import build_recognizer
from pipeline.config import Settings
from pipeline.errors import RuntimeUnavailableError
from pipeline.images import open_photo
from pipeline.recognizer import Faces


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_templates_do_not_depend_on_the_batch(sample_photos: Path, models_home: Path, runtime: str) -> None:
    files = sorted(sample_photos.rglob("*.jpg"))[:8]
    settings = Settings(home=models_home).model_copy(update={"runtime": runtime, "detection_max_side": 640})
    try:
        recognizer = build_recognizer(settings)
    except RuntimeUnavailableError:
        pytest.skip(f"{runtime} is not installed here")
    alone = [recognizer.analyse(open_photo(file)) for file in files]
    assert sum(map(len, alone)) >= len(files)
    for size in (3, len(files)):
        for start in range(0, len(files), size):
            part = slice(start, start + size)
            together = recognizer.analyse_batch([open_photo(file) for file in files[part]])
            for one, other in zip(alone[part], together, strict=True):
                assert isinstance(other, Faces)
                assert np.array_equal(one.templates.vectors, other.templates.vectors)
                assert np.array_equal(one.templates.norms, other.templates.norms)
                assert np.array_equal(one.detections.boxes, other.detections.boxes)
                assert np.array_equal(one.detections.landmarks, other.detections.landmarks)
