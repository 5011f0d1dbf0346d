"""The fakes and the real stages have the methods the protocols ask for, with the same parameters."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import protocols
from pipeline.align import TemplateAligner
from pipeline.detect import MultiScaleDetector
from pipeline.embed import NetworkEmbedder
from pipeline.gallery.faiss_index import FaissIndex
from pipeline.gallery.index import ExactIndex
from pipeline.images import from_array
from pipeline.landmarks import OnetRefiner
from pipeline.runtime import OnnxRuntimeSession, OpenVinoSession
from pipeline.types import AlignedFaces, Detections, Templates
from tests.fakes import GREEN, RED, FakeAligner, FakeDetector, FakeEmbedder, FakeRefiner, FakeSession, bars

PAIRS = [
    (protocols.Session, FakeSession),
    (protocols.Session, OnnxRuntimeSession),
    (protocols.Session, OpenVinoSession),
    (protocols.Detector, FakeDetector),
    (protocols.Detector, MultiScaleDetector),
    (protocols.LandmarkRefiner, FakeRefiner),
    (protocols.LandmarkRefiner, OnetRefiner),
    (protocols.Aligner, FakeAligner),
    (protocols.Aligner, TemplateAligner),
    (protocols.Embedder, FakeEmbedder),
    (protocols.Embedder, NetworkEmbedder),
    (protocols.Index, ExactIndex),
    (protocols.Index, FaissIndex),
]


def members(protocol: type) -> dict[str, Any]:
    return {
        name: member
        for name, member in vars(protocol).items()
        if name == "__len__" or (not name.startswith("_") and (callable(member) or isinstance(member, property)))
    }


@pytest.mark.parametrize(("protocol", "implementation"), PAIRS, ids=lambda part: part.__name__)
def test_has_every_member_with_the_same_parameters(protocol: type, implementation: type) -> None:
    wanted = members(protocol)
    assert wanted
    for name, member in wanted.items():
        got = inspect.getattr_static(implementation, name, None)
        assert got is not None, name
        if callable(member):
            assert list(inspect.signature(got).parameters) == list(inspect.signature(member).parameters), name
        else:
            assert not inspect.isfunction(got), f"{name} is an attribute, not a method"


def contract(detector: Any, refiner: Any, aligner: Any, embedder: Any, photos: list[Any]) -> list[Detections]:
    """What every set of stages promises about shapes, order, and empty input."""
    found = detector.detect_batch(photos)
    assert len(found) == len(photos)
    assert detector.detect_batch([]) == []
    assert refiner.refine_batch([], []) == []
    refined = refiner.refine_batch(photos, found)
    for photo, before, after in zip(photos, found, refined, strict=True):
        assert before.image_hw == photo.image_hw
        assert len(detector.detect(photo)) == len(before)
        np.testing.assert_array_equal(after.boxes, before.boxes)
        np.testing.assert_array_equal(after.confidences, before.confidences)
        np.testing.assert_allclose(refiner.refine(photo, before).landmarks, after.landmarks, atol=0.05)
        aligned = aligner.align(photo, after)
        assert isinstance(aligned, AlignedFaces)
        assert aligned.crops.shape == (len(before), aligner.size, aligner.size, 3)
        templates = embedder.embed(aligned)
        assert isinstance(templates, Templates)
        assert templates.vectors.shape == (len(before), embedder.dimension)
        assert templates.model_id == embedder.model_id
    return found


def test_fakes_keep_the_contract() -> None:
    photos = [from_array(bars(RED, GREEN)), from_array(bars()), from_array(bars(GREEN))]
    found = contract(FakeDetector(), FakeRefiner(), FakeAligner(), FakeEmbedder(), photos)
    assert [len(f) for f in found] == [2, 0, 1]


def test_real_stages_keep_the_contract(models_home: Path, sample_photos: Path) -> None:
    from pipeline.build import build_recognizer
    from pipeline.config import Settings
    from pipeline.images import open_photo

    recognizer = build_recognizer(Settings(home=models_home))
    obama, nobody = sample_photos / "photos/barack-obama-2009.jpg", from_array(np.zeros((64, 64, 3), np.uint8))
    parts = (recognizer._detector, recognizer._refiner, recognizer._aligner, recognizer._embedder)
    assert [len(f) for f in contract(*parts, [open_photo(obama), nobody])] == [1, 0]
