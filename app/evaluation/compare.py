"""Two runs over the same comparisons: which is better, and whether the difference exceeds its interval.

Both runs are read from their reports. Each draw of the bootstrap takes the same subjects for both, so that what is hard
for both cancels out: a difference far smaller than either run's own interval can be shown.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.evaluation import figures
from app.evaluation.lists import lines_of, rows_of, truth
from app.evaluation.records import Codes, Pair, subject_codes
from pipeline.errors import ConfigError
from pipeline.metrics import Bools, ScoreSweep, subject_bootstrap
from pipeline.types import F64

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One run, as its report and its comparisons say.

    Attributes:
        file: The report.
        kind: verification or identification.
        model_id: The model that made the scores.
        protocol: What was compared.
        pairs: By key, who is compared; of a probe, `a` and `b` are the probe itself.
        scores: By key, the score; -inf where it failed or the own subject is not first.
    """

    file: Path
    kind: str
    model_id: str
    protocol: str
    pairs: dict[Key, Pair]
    scores: dict[Key, float]


def read_run(file: Path) -> Compared:
    """Reads report.json and the comparisons beside it.

    Raises:
        ConfigError: It is no report, or its comparisons are not beside it.
    """
    what = "a report.json that `knownface evaluate ... --out DIR` wrote"
    try:
        document = json.loads("\n".join(lines_of(file, what)))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: is not JSON; give {what}") from error
    wanted = ("kind", "model_id", "protocol", "scores_file")
    if not isinstance(document, dict) or not all(isinstance(document.get(key), str) for key in wanted):
        raise ConfigError(f"{file}: is not {what}")
    name = document["scores_file"]
    if Path(name).name != name or document["kind"] not in _READERS:
        raise ConfigError(f"{file}: is not {what}")
    scores = file.parent / name
    rows = rows_of(scores, lines_of(scores, f"the comparisons of {file}"), _COLUMNS[document["kind"]])
    pairs, values = dict[Key, Pair](), dict[Key, float]()
    seen: Counter[tuple[str, str]] = Counter()
    for line, row in rows:
        pair, score = _READERS[document["kind"]](scores, line, row)
        key = (pair.a, pair.b, seen[pair.a, pair.b])
        seen[pair.a, pair.b] += 1
        pairs[key], values[key] = pair, score
    return Compared(file, document["kind"], document["model_id"], document["protocol"], pairs, values)


def compare_runs(a: Compared, b: Compared) -> dict[str, Any]:
    """The figures of both over what both compared, their differences, and what can be said of them.

    Returns:
        `measures`: name, value of each run, difference b - a, its 95 % interval by subject, and `better`: `a`, `b`, or
        None where the interval holds 0. `better` of the whole is that of the first measure.

    Raises:
        ConfigError: One is 1:1 and the other 1:N, or they have no mated and non-mated comparisons in common.
    """
    if a.kind != b.kind:
        raise ConfigError(f"{a.file} is of {a.kind}, {b.file} of {b.kind}: they cannot be compared")
    keys = [key for key, pair in a.pairs.items() if key in b.pairs and b.pairs[key].mated == pair.mated]
    pairs = [a.pairs[key] for key in keys]
    mated = np.array([pair.mated for pair in pairs], bool)
    if not mated.any() or mated.all():
        raise ConfigError(f"{a.file} and {b.file} have no mated and non-mated comparisons in common")
    rates = figures.supported(figures.RATES, int((~mated).sum()))
    one, other, subjects = subject_codes(pairs)
    first, second = (np.array([run.scores[key] for key in keys], np.float64) for run in (a, b))
    measures = _measures(first, second, mated, one, other, rates)
    if a.kind == "identification":
        measures = measures[1:][::-1] or measures
        for row in measures:
            row["measure"] = row["measure"].replace("FNMR", "FNIR").replace("FMR", "FPIR")
    runs = {
        side: {"file": str(run.file), "model_id": run.model_id, "protocol": run.protocol}
        for side, run in (("a", a), ("b", b))
    }
    return {
        **runs,
        "kind": a.kind,
        "comparisons": len(keys),
        "left_out": len(a.pairs) + len(b.pairs) - 2 * len(keys),
        "subjects": subjects,
        "measures": measures,
        "better": measures[0]["better"],
    }


def _measures(a: F64, b: F64, mated: Bools, one: Codes, other: Codes, rates: Sequence[float]) -> list[dict[str, Any]]:
    sweeps = ScoreSweep(a, mated), ScoreSweep(b, mated)
    values = [figures.rates_of(sweep.curve(), rates) for sweep in sweeps]

    def difference(weights: Any) -> F64:
        first, second = (figures.rates_of(sweep.curve(weights), rates) for sweep in sweeps)
        return second - first

    ends = subject_bootstrap(one, other, difference, draws=figures.draws_for(2 * len(a)))
    names = ["EER", *(f"FNMR at FMR {rate:g}" for rate in rates)]
    rows = []
    for column, name in enumerate(names):
        low, high = float(ends[0, column]), float(ends[1, column])
        rows.append(
            {
                "measure": name,
                "a": float(values[0][column]),
                "b": float(values[1][column]),
                "difference": float(values[1][column] - values[0][column]),
                "interval": None if math.isnan(low) else [low, high],
                "better": "b" if high < 0 else "a" if low > 0 else None,
            }
        )
    return rows


# --- comparisons.csv -------------------------------------------------------------------------------------------------


def _score(file: Path, line: int, text: str) -> float:
    try:
        value = float(text) if text else -math.inf
    except ValueError as error:
        raise ConfigError(f"{file}: line {line}: the score is {text!r}, not a number") from error
    if math.isnan(value):
        raise ConfigError(f"{file}: line {line}: the score is not a number")
    return value


def _verified(file: Path, line: int, row: dict[str, str]) -> tuple[Pair, float]:
    mated = truth(file, line, row["mated"])
    pair = Pair(row["a"], row["b"], mated, subject_a=row["subject_a"], subject_b=row["subject_b"])
    return pair, _score(file, line, row["score"])


def _searched(file: Path, line: int, row: dict[str, str]) -> tuple[Pair, float]:
    mated = truth(file, line, row["mated"])
    found = not mated or row["mate_rank"] == "1"
    score = _score(file, line, row["mate_score" if mated else "top_score"])
    probe = Pair(row["probe"], row["probe"], mated, subject_a=row["subject"], subject_b=row["subject"])
    return probe, score if found else -math.inf


_Reader = Callable[[Path, int, dict[str, str]], tuple[Pair, float]]
_READERS: dict[str, _Reader] = {"verification": _verified, "identification": _searched}
_COLUMNS = {
    "verification": ("a", "b", "mated", "score", "subject_a", "subject_b"),
    "identification": ("probe", "subject", "mated", "mate_score", "mate_rank", "top_score"),
}
