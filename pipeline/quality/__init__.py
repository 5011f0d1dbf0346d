"""How good a face image is for recognition, after ISO/IEC 29794-5:2025 and its reference software OFIQ.

    detections, crops -> measures    a number each in units of its own ("native"): degrees, bits, shares, pixels
                      -> components  the same on a scale from 0 to 100
    components, norm  -> unified     one number that predicts whether the face will be recognised

The names are the standard's; the measures are ours where the standard's need a network that we have not got, and each
says so. Eyes open is measured where `pipeline.eyes` is on. Occlusion is not: it shows in the detector's confidence and
in the template's norm, which the unified score knows.
"""

from pipeline.quality.advice import SENTENCES, advice
from pipeline.quality.assess import assess
from pipeline.quality.fit import generic_fit

__all__ = ["SENTENCES", "advice", "assess", "generic_fit"]
