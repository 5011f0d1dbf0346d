"""Error rates on labelled photos: from the photo, through the whole pipeline, failures counted as errors.

lists, folders, bins, templates   what to compare: LFW, CFP, CSV, a folder per person, InsightFace .bin, IJB
embed, cache                      templates of the photos, kept so that a second study is quick
pairs                             1:1: scores and figures
identification                    1:N, open-set: scores and figures
charts, html, markdown, output    the report
compare                           whether one run is better than another
"""

from app.evaluation.embed import embed_photos
from app.evaluation.lists import read_pairs
from app.evaluation.pairs import PairsReport, evaluate_pairs, write_scores
from app.evaluation.records import Pair

__all__ = ["Pair", "PairsReport", "embed_photos", "evaluate_pairs", "read_pairs", "write_scores"]
