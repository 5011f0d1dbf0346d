"""How scores are spread, and which errors each threshold makes, as charts that say the same in words.

The two kinds of comparison differ by colour, by pattern and by name; both colours stand out on light and on dark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.web import markup
from app.web.texts import words
from pipeline.calibration import Look
from pipeline.types import F64

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_SAME, _STRANGERS, _LINE = "#1f9a9d", "#d1702c", "#84918f"
_BARS = 60
_ROWS = 11
#: For `st.plotly_chart`: nothing floats over the chart, and a finger that scrolls the page does not zoom it.
QUIET = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}


def histogram(look: Look, threshold: float) -> tuple[Figure, str]:
    """The scores of both kinds of comparison with the threshold between them, and what the chart says in words."""
    from plotly.graph_objects import Bar, Figure

    edges, strangers, same = _fewer(look)
    middle, width = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    share = "%{y:.1%}<extra>%{fullData.name}</extra>"
    figure = Figure(
        [
            Bar(
                x=middle,
                y=strangers,
                width=width,
                name=words.calibrate_strangers,
                marker={"color": _STRANGERS, "line": {"width": 0}},
                hovertemplate=share,
            ),
            Bar(
                x=middle,
                y=same,
                width=width,
                name=words.calibrate_same,
                marker={"color": _SAME, "line": {"width": 0}, "pattern": {"shape": "/", "solidity": 0.35}},
                hovertemplate=share,
            ),
        ]
    )
    figure.add_vline(threshold, line={"color": _LINE, "width": 2, "dash": "dash"})
    figure.add_annotation(
        x=threshold, y=1, yref="paper", yanchor="bottom", text=f"{words.threshold} {threshold:.3f}", showarrow=False
    )
    figure.update_layout(barmode="overlay", **_layout(words.score, words.calibrate_share))
    figure.update_traces(opacity=0.8)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    alt = words.calibrate_histogram_alt.format(
        threshold=f"{threshold:.3f}",
        strangers=f"{_middle(look.thresholds, look.strangers):.2f}",
        same=f"{_middle(look.thresholds, look.same):.2f}",
    )
    return figure, alt


def det(look: Look, threshold: float) -> tuple[Figure, str]:
    """The error rates against each other at every threshold, on logarithmic axes, and the same in words."""
    from plotly.graph_objects import Figure, Scatter

    floor_x, floor_y = 0.5 / max(look.pairs, 1), 0.5 / max(look.mated, 1)
    drawn = (look.wrong > 0) | (look.missed > 0)
    at = look.at(threshold)
    wrong_name, missed_name = _names(look)
    figure = Figure(
        [
            Scatter(
                x=np.maximum(look.wrong[drawn], floor_x),
                y=np.maximum(look.missed[drawn], floor_y),
                customdata=look.thresholds[drawn],
                mode="lines",
                line={"color": _SAME, "width": 2.5},
                name=words.calibrate_curve,
                hovertemplate=f"{words.threshold} %{{customdata:.2f}}<br>%{{x:.2g}} · %{{y:.2g}}<extra></extra>",
            ),
            Scatter(
                x=[max(at.wrong.value, floor_x)],
                y=[max(at.missed, floor_y)],
                mode="markers",
                marker={"color": _STRANGERS, "size": 13, "symbol": "diamond", "line": {"color": "white", "width": 2}},
                name=f"{words.threshold} {threshold:.3f}",
                hoverinfo="name",
            ),
        ]
    )
    figure.update_layout(**_layout(wrong_name, missed_name))
    figure.update_xaxes(type="log", tickformat=".2~%", dtick=1)
    figure.update_yaxes(type="log", tickformat=".2~%", dtick=1)
    alt = words.calibrate_det_alt.format(
        threshold=f"{threshold:.3f}",
        wrong_name=wrong_name,
        wrong=markup.rate(at.wrong.value),
        missed_name=missed_name,
        missed=markup.rate(at.missed),
    )
    return figure, alt


def table(look: Look, threshold: float) -> str:
    """The same figures as a table: thresholds around the one in view."""
    near = int(np.argmin(np.abs(look.thresholds - threshold)))
    first = max(0, min(near - 5 * _ROWS // 2, len(look.thresholds) - 5 * _ROWS))
    rows = range(first, min(first + 5 * _ROWS, len(look.thresholds)), 5)
    cells = [
        (f"{look.thresholds[row]:.2f}", markup.rate(float(look.wrong[row])), markup.rate(float(look.missed[row])))
        for row in rows
    ]
    return markup.table((words.threshold, *_names(look)), cells)


def _names(look: Look) -> tuple[str, str]:
    if look.size is None:
        return words.calibrate_fmr, words.calibrate_fnmr
    return words.calibrate_fpir, words.calibrate_fnir


def _layout(x: str, y: str) -> dict[str, object]:
    return {
        "height": 330,
        "margin": {"l": 10, "r": 10, "t": 30, "b": 10},
        "legend": {"orientation": "h", "y": -0.28, "x": 0},
        "xaxis": {"title": {"text": x}, "fixedrange": True, "automargin": True},
        "yaxis": {"title": {"text": y}, "fixedrange": True, "automargin": True},
    }


def _fewer(look: Look) -> tuple[F64, F64, F64]:
    """Bars that are broad enough to be seen."""
    step = max(1, -(-len(look.strangers) // _BARS))
    starts = np.arange(0, len(look.strangers), step)
    edges = np.append(look.thresholds[starts], look.thresholds[-1])
    return edges, np.add.reduceat(look.strangers, starts), np.add.reduceat(look.same, starts)


def _middle(thresholds: F64, shares: F64) -> float:
    """The score that half of the comparisons stay below."""
    row = int(np.searchsorted(np.cumsum(shares), 0.5))
    return float(thresholds[min(row, len(thresholds) - 1)])
