"""Losses for recognition: margins (how a head turns products into logits) and terms (added to a head's loss).

`MARGINS` names every margin as a configuration does. A margin is built with its own settings, `ArcFace(margin_rad=0.5,
scale=64)`, and handed to a head (training.heads); its interface stands in `training.margins.base`. A term is a module
`(embeddings (B, D), labels (B,)) -> scalar loss` that is added to the head's: `head(x, y) + term(x, y)`.
"""

from __future__ import annotations

from training.margins.adaface import AdaFace
from training.margins.annealing import Annealing
from training.margins.arcface import ArcFace
from training.margins.base import Margin, Rows, Targets
from training.margins.centre import CentreLoss
from training.margins.combined import Combined
from training.margins.contrastive import ContrastiveLoss
from training.margins.cosface import CosFace
from training.margins.crystal import Crystal
from training.margins.curricularface import CurricularFace
from training.margins.lsoftmax import LSoftmax
from training.margins.magface import MagFace
from training.margins.normface import NormFace
from training.margins.ring import RingLoss
from training.margins.softmax import Softmax
from training.margins.sphereface import SphereFace
from training.margins.subcentre import SubcentreArcFace
from training.margins.triplet import TripletLoss

MARGINS: dict[str, type[Margin]] = {
    "softmax": Softmax,
    "normface": NormFace,
    "crystal": Crystal,
    "lsoftmax": LSoftmax,
    "sphereface": SphereFace,
    "cosface": CosFace,
    "arcface": ArcFace,
    "combined": Combined,
    "subcentre": SubcentreArcFace,
    "curricularface": CurricularFace,
    "adaface": AdaFace,
    "magface": MagFace,
}

__all__ = [
    "MARGINS",
    "AdaFace",
    "Annealing",
    "ArcFace",
    "CentreLoss",
    "Combined",
    "ContrastiveLoss",
    "CosFace",
    "Crystal",
    "CurricularFace",
    "LSoftmax",
    "MagFace",
    "Margin",
    "NormFace",
    "RingLoss",
    "Rows",
    "Softmax",
    "SphereFace",
    "SubcentreArcFace",
    "Targets",
    "TripletLoss",
]
