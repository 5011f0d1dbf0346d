"""Which operating point says that two unknown faces are neighbours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.cluster import choose_cluster_point
from pipeline.errors import NoOperatingPointError
from tests.fakes import MODEL_ID, points


def test_the_largest_measured_gallery_at_the_rate_asked_for() -> None:
    verify, identify = points(0.5)
    offered = [
        verify,
        *(replace(identify, gallery_size=size, target=0.1, threshold=0.3 + size / 1e5) for size in (10, 10_000, 100)),
        replace(identify, gallery_size=10_000, target=0.01, threshold=0.6),
        replace(identify, gallery_size=20_000, target=0.1, threshold=0.1, subject_score="fused"),
        replace(identify, gallery_size=90_000, target=0.1, threshold=0.1, model_id="other.model@12345678"),
        replace(identify, gallery_size=90_000, target=0.2, threshold=0.2),
    ]
    assert choose_cluster_point(offered, MODEL_ID, 0.1).threshold == 0.4
    assert choose_cluster_point(offered, MODEL_ID, 0.05).threshold == 0.6
    own = replace(identify, gallery_size=10_000, target=0.1, threshold=0.45, source="calibration")
    assert choose_cluster_point([*offered, own], MODEL_ID, 0.1) is own
    with pytest.raises(NoOperatingPointError, match="cluster_fpir"):
        choose_cluster_point(offered, MODEL_ID, 0.005)
    with pytest.raises(NoOperatingPointError, match="cannot be clustered"):
        choose_cluster_point([verify], MODEL_ID, 0.1)
