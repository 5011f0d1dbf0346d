"""From which score on two faces of nobody known are neighbours: that of an operating point."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import NoOperatingPointError
from pipeline.types import OperatingPoint


def choose_cluster_point(points: Sequence[OperatingPoint], model_id: str, max_fpir: float) -> OperatingPoint:
    """The 1:N operating point of the largest gallery anybody measured for this rate, whatever the number of faces.

    A face that is clustered is searched among all others, most of whom are strangers: an open-set search. The largest
    measured gallery is the strictest; it is used for few faces too, since a threshold that rises as faces are added
    would break clusters that people have seen.

    Args:
        points: What a calibration and the model's card offer.
        model_id: The model whose scores will be judged.
        max_fpir: The false positive identification rate that is wanted at most, in [0, 1].

    Raises:
        NoOperatingPointError: None was measured for this model and a face of each subject, or none is that strict.
    """
    usable = [
        point
        for point in points
        if (point.task, point.model_id, point.subject_score) == ("identify", model_id, "best")
        and point.wanted <= max_fpir
    ]
    if not usable:
        raise NoOperatingPointError(
            f"no operating point of {model_id} has a false positive identification rate of at most {max_fpir:g}, so "
            "unknown faces cannot be clustered: choose another cluster_fpir in the settings, or measure one with "
            "`knownface calibrate --fpir`"
        )
    return max(usable, key=lambda p: (p.gallery_size or 0, p.wanted, p.source != "card"))
