"""Fits the unified quality score to a folder of people, and shows on other people whether it knows what will fail.

    scripts/bench quality FOLDER [--out DIR] [--kept FILE] [--folds N]

FOLDER/PERSON/*.jpg. Every photo is used as it is and once degraded, because good photos alone hardly ever fail; each is
compared with every other photo of its person as it is. The curves are of people whom their fit did not see; the
coefficients that are printed are of all. `--out` gets quality.toml for the model's card, and quality.svg. `--kept`
keeps the templates for the next time; delete it afterwards, it is personal data.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.evaluation import charts
from pipeline.config import Settings
from pipeline.weights.toml_out import to_toml
from scripts.benches._quality_fit import FOLDS, RATES, SHARES, Comparisons, fit, held_out, worth
from scripts.benches._quality_photos import KINDS, Photos, measure

FEATURES = ("confidence", "sharpness", "dynamic_range", "under_exposure", "illumination", "yaw", "pitch")
FITS = {"model": ("norm", *FEATURES), "any model": FEATURES}


def run(arguments: list[str]) -> dict[str, Any]:
    """The figures; errors: `measure`."""
    parser = argparse.ArgumentParser("scripts/bench quality", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--folds", type=int, default=FOLDS)
    options = parser.parse_args(arguments)
    if options.kept and options.kept.is_file():
        photos = Photos.load(options.kept)
    else:
        photos = measure(options.folder, Settings.load(None))
        if options.kept:
            photos.save(options.kept)
    figures = report(photos, options.folds)
    if options.out:
        _write(options.out, figures)
    for ways in figures["held_out"].values():
        for found in ways.values():
            del found["curve"]
    return figures


def report(photos: Photos, folds: int = FOLDS) -> dict[str, Any]:
    """Both fits, and every way of leaving out photos on held-out people."""
    comparisons, everybody = Comparisons(photos), np.ones(len(photos.people), bool)
    basis = f"{len(set(photos.files))} photos of {len(set(photos.people))} people, each once more degraded"
    fits = {}
    for name, used in FITS.items():
        fitted = replace(fit(comparisons, everybody, used), basis=basis)
        fits[name] = {"offset": fitted.offset, **{key: value for key, value in fitted.weights.items() if value}}
    ways = {
        "unified score": held_out(comparisons, FITS["model"], folds),
        "without the norm": held_out(comparisons, FITS["any model"], folds),
        "norm alone": photos.features["norm"],
        "the former product": photos.features["former"],
    }
    sets = {"all": everybody, "as they are": ~photos.degraded}
    return {
        "basis": basis,
        "no_face": photos.missed,
        "folds": folds,
        "misses_percent_at_fmr_1e-2": _by_kind(comparisons),
        "fit": fits,
        "held_out": {
            name: {
                f"{label}, FMR {rate:g}": worth(comparisons, quality, rows, rate)
                for label, rows in sets.items()
                for rate in RATES
            }
            for name, quality in ways.items()
        },
    }


def _by_kind(comparisons: Comparisons) -> dict[str, float]:
    """How often photos of each kind are missed."""
    photos, threshold = comparisons.photos, comparisons.threshold(np.ones(len(comparisons.photos.people), bool), 1e-2)
    found = {}
    for kind, name in enumerate(("as it is", *KINDS), -1):
        probe, other = comparisons.pairs(photos.kinds == kind)
        missed = comparisons.scores[probe, other] < threshold
        found[name] = round(100 * float(missed.mean()), 2) if len(missed) else float("nan")
    return found


def _write(folder: Path, figures: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tables = [
        f"# {name}\n{to_toml({'quality': {**fitted, 'basis': figures['basis']}})}"
        for name, fitted in figures["fit"].items()
    ]
    (folder / "quality.toml").write_text("\n".join(tables), encoding="utf-8")
    found = figures["held_out"]["unified score"]
    series = [
        charts.Series(key, list(zip(SHARES, found[key]["curve"], strict=True)), f"s{place}")
        for place, key in enumerate(key for key in found if key.endswith("0.01"))
    ]
    x = charts.linear_axis("share of comparisons left out", 0, 0.4, percent=True)
    y = charts.linear_axis("FNMR of the rest", 0, 0.025, percent=True)
    drawn = charts.line_chart("Error versus discard, held-out people", x, y, series, [])
    (folder / "quality.svg").write_text(drawn, encoding="utf-8")
