"""Measures the operating points of the embedder in use and prints them as TOML for its card.

    python scripts/operating_points.py FOLDER      (FOLDER/NAME/*.jpg, one folder per person)

verify: every pair of photos is a comparison. identify: for each gallery size, 20 random galleries with one photo a
subject; probes are one photo of everybody else (non-mated) and another photo of those enrolled (mated). Failures to
acquire count as misses. The upper bounds come from a bootstrap over subjects (200 draws), so that the many pairs of one
person count as one person.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from app.evaluation import embed_photos
from app.photos import photos_in
from app.services import Services
from pipeline.config import Settings
from pipeline.errors import PhotoError
from pipeline.metrics import threshold_at_fmr

FMRS = (1e-2, 1e-3, 1e-4)
FPIRS = (1e-1, 1e-2)
SIZES = (10, 100, 500)
DRAWS = 20


def main(folder: Path) -> None:
    services = Services(Settings.load())
    names = [str(path.relative_to(folder)) for path in photos_in(folder)]
    found = embed_photos(services, folder, names)
    people = sorted({name.split("/")[0] for name in names})
    owner = np.array([people.index(name.split("/")[0]) for name in names])
    failed = np.array([isinstance(found[name], PhotoError) for name in names])
    dimension = services.recognizer.dimension
    vectors = np.stack([np.zeros(dimension) if isinstance(found[n], PhotoError) else found[n] for n in names])
    scores = vectors @ vectors.T
    scores[failed] = scores[:, failed] = -np.inf
    today = datetime.now(UTC).date().isoformat()
    data = f"{folder.resolve().parent.name}: {len(names)} photos of {len(people)} people, whole pipeline from the photo"
    say = lambda **row: emit(services.recognizer.model_id, **row)  # noqa: E731
    rng = np.random.default_rng(20260101)
    for row in verify(scores, owner, rng):
        say(task="verify", measured_on=f"{data}; every pair of photos; {today}", **row)
    for size in SIZES:
        for row in identify(scores, owner, len(people), size, rng):
            how = f"{DRAWS} random galleries of {size}, one photo a subject"
            say(task="identify", gallery_size=size, measured_on=f"{data}; {how}; {today}", **row)


def verify(scores, owner, rng):
    upper = np.triu(np.ones_like(scores, dtype=bool), 1)
    same = owner[:, None] == owner[None, :]
    mated, non_mated = scores[upper & same], scores[upper & ~same]
    for fmr in FMRS:
        threshold = round_up(threshold_at_fmr(non_mated, fmr))
        bad = np.argwhere(upper & ~same & (scores >= threshold))
        rates = []
        for _ in range(200):
            weight = np.bincount(rng.integers(0, owner.max() + 1, owner.max() + 1), minlength=owner.max() + 1)[owner]
            total = (weight.sum() ** 2 - sum(weight[owner == p].sum() ** 2 for p in range(owner.max() + 1))) / 2
            rates.append((weight[bad[:, 0]] * weight[bad[:, 1]]).sum() / total)
        yield {
            "threshold": threshold,
            "fmr": float((non_mated >= threshold).mean()),
            "fnmr": float((mated < threshold).mean()),
            "non_mated": len(non_mated),
            "mated": len(mated),
            "fmr_upper": float(np.quantile(rates, 0.975)),
        }


def identify(scores, owner, count, size, rng):
    photos = defaultdict(list)
    for row, person in enumerate(owner):
        photos[person].append(row)
    several = [person for person in photos if len(photos[person]) > 1]
    top_by_draw, missed = [], []
    for _ in range(DRAWS):
        people = rng.permutation(count)
        gallery = [rng.choice(photos[person]) for person in people[:size]]
        strangers = [rng.choice(photos[person]) for person in people[size:]]
        top_by_draw.append(scores[np.ix_(strangers, gallery)].max(axis=1))
        for person in set(several) & set(people[:size].tolist()):
            own = next(row for row in gallery if owner[row] == person)
            probe = rng.choice([row for row in photos[person] if row != own])
            line = scores[probe, gallery]
            best = int(np.argmax(line))
            missed.append(line[best] if gallery[best] == own else -np.inf)
    top, missed = np.concatenate(top_by_draw), np.array(missed)
    for fpir in FPIRS:
        threshold = round_up(threshold_at_fmr(top, fpir))
        per_draw = np.array([(draw >= threshold).mean() for draw in top_by_draw])
        errors = int((top >= threshold).sum())
        yield {
            "threshold": threshold,
            "fmr": errors / len(top),
            "fnmr": float((missed < threshold).mean()),
            "non_mated": len(top),
            "mated": len(missed),
            "fmr_upper": float(np.quantile(per_draw, 0.975)),
        }


def round_up(threshold: float) -> float:
    return float(np.ceil(threshold * 1e4) / 1e4)


def emit(model_id, **row):
    print("\n[[operating_points]]")
    print(f'model_id = "{model_id}"')
    for key, value in row.items():
        print(
            f"{key} = "
            + (f'"{value}"' if isinstance(value, str) else f"{value:.6g}" if isinstance(value, float) else str(value))
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
