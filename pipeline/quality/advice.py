"""What to say to somebody who takes or chooses a photo."""

from __future__ import annotations

from pipeline.types import QUALITY_COMPONENTS, Qualities

#: A component below this is worth a sentence: there, more than twice as many mated comparisons fail as elsewhere. Yaw,
#: pitch and completeness are our choice: they are too rare in the photos that was measured on.
ADVISE_BELOW = {
    "sharpness": 50.0,
    "dynamic_range": 66.0,
    "under_exposure": 50.0,
    "over_exposure": 85.0,
    "illumination": 20.0,
    "yaw": 67.0,  # 35 degrees
    "pitch": 67.0,
    "inter_eye": 25.0,  # 20 pixels
    "completeness": 90.0,
    "compression": 20.0,
    "eyes_open": 86.0,  # 1 in 20 faces with open eyes lies below, and 9 of 14 with closed ones
}

SENTENCES = {
    "sharpness": "The face is blurred: hold still, clean the lens, or come closer.",
    "dynamic_range": "The face shows little contrast: use more even, stronger light.",
    "under_exposure": "The face is dark: turn towards the light.",
    "over_exposure": "Parts of the face are overexposed: use softer light, no flash.",
    "illumination": "The face is lit from one side: turn towards the light.",
    "yaw": "The face is turned to the side: look straight at the camera.",
    "pitch": "The face is tilted up or down: hold the camera at the height of the eyes.",
    "inter_eye": "The face is small in the photo: come closer, or use a larger photo.",
    "completeness": "Part of the face is outside the photo: step back.",
    "compression": "The photo is strongly compressed: use the original file, not a preview.",
    "eyes_open": "The eyes look closed or covered: open them, without sunglasses or glare on the glasses.",
}


def advice(qualities: Qualities, number: int) -> list[str]:
    """The components of a face that are poor enough to say so, worst first; each has one of SENTENCES."""
    values = dict(zip(QUALITY_COMPONENTS, qualities.components[number].tolist(), strict=True))
    poor = [name for name, least in ADVISE_BELOW.items() if values[name] < least]
    return sorted(poor, key=lambda name: values[name] / ADVISE_BELOW[name])
