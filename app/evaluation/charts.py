"""Small charts as inline SVG: lines on linear, logarithmic or normal-deviate axes, and histograms.

Colours come from the page's CSS (classes s0, s1, grid, mark), so that one picture serves light and dark; text is
escaped. Equal data give equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from statistics import NormalDist

_WIDTH, _HEIGHT = 440, 310
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 44
_DIGIT = 7  # about the width of a digit
_PERCENTS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: what it measures, its ends, and where a value lies between them.

    Attributes:
        label: With the unit.
        low: Value at the left or lower end; what is lower is drawn there.
        high: Value at the other end.
        ticks: Values with a line and a number.
        scale: Monotonic; positions are linear in it.
        text: How a tick is written.
    """

    label: str
    low: float
    high: float
    ticks: Sequence[float]
    scale: Callable[[float], float] = float
    text: Callable[[float], str] = "{:g}".format

    def place(self, value: float) -> float:
        """Share of the way from the lower to the higher end, in [0, 1]."""
        low, high = self.scale(self.low), self.scale(self.high)
        return (self.scale(min(max(value, self.low), self.high)) - low) / (high - low)


@dataclass(frozen=True, slots=True)
class Series:
    """Points joined by a line, in one colour: `s0` or `s1`."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str = "s0"


def linear_axis(label: str, low: float, high: float, *, percent: bool = False) -> Axis:
    """An axis with about five round ticks."""
    raw = (high - low) / 5
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    ticks = [round(step * k, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]
    return Axis(label, low, high, ticks, text=percent_text if percent else "{:g}".format)


def deviate_axis(label: str, low: float, high: float) -> Axis:
    """A rate on a normal-deviate scale, as a DET plot has it (Martin et al. 1997)."""
    ticks = [rate for rate in _PERCENTS if low <= rate <= high]
    return Axis(label, low, high, ticks, NormalDist().inv_cdf, percent_text)


def percent_text(rate: float) -> str:
    """A rate in per cent, e.g. `0.1 %`."""
    return f"{rate * 100:.10g} %"


def line_chart(
    title: str, x: Axis, y: Axis, series: Sequence[Series], marks: Sequence[tuple[float, float, str]]
) -> str:
    """Lines, with marked points that say what they are when pointed at.

    Args:
        title: For those who do not see the picture.
        x: The horizontal axis.
        y: The vertical axis.
        series: The lines.
        marks: x, y and text of each marked point.
    """
    body = [_grid(x, y)]
    for line in series:
        path = " ".join(f"{_px(x.place(a)):.1f},{_py(y.place(b)):.1f}" for a, b in line.points)
        body.append(f'<polyline class="{line.colour}" points="{path}"/>')
    for a, b, text in marks:
        at = f'cx="{_px(x.place(a)):.1f}" cy="{_py(y.place(b)):.1f}"'
        body.append(f'<circle class="mark" {at} r="4"><title>{escape(text)}</title></circle>')
    return _svg(title, body)


def histogram_chart(
    title: str, x: Axis, y: Axis, edges: Sequence[float], shares: Sequence[Sequence[float]], lines: Sequence[float]
) -> str:
    """Up to two histograms over the same bins, one over the other, and vertical lines at thresholds.

    Args:
        title: For those who do not see the picture.
        x: The horizontal axis.
        y: The vertical axis, shares of each histogram.
        edges: (B + 1) edges of the bins.
        shares: (B,) heights of each histogram.
        lines: Where the vertical lines stand.
    """
    body = [_grid(x, y)]
    for number, heights in enumerate(shares):
        corners = [(edges[0], 0.0)]
        for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
            corners += [(left, height), (right, height)]
        corners.append((edges[-1], 0.0))
        path = " ".join(f"{_px(x.place(a)):.1f},{_py(y.place(b)):.1f}" for a, b in corners)
        body.append(f'<polygon class="s{number} area" points="{path}"/>')
    for value in lines:
        at = f"{_px(x.place(value)):.1f}"
        body.append(f'<line class="mark" x1="{at}" x2="{at}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
    return _svg(title, body)


def _px(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _py(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _grid(x: Axis, y: Axis) -> str:
    parts = []
    taken = -100.0  # right end of the last number
    for value in x.ticks:
        at = _px(x.place(value))
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
        text = x.text(value)
        width = _DIGIT * len(text)
        anchor, left = ("end", at - width) if at > _WIDTH - _RIGHT - width / 2 else ("middle", at - width / 2)
        if left - taken > _DIGIT:  # numbers that would overlap are left out
            parts.append(
                f'<text x="{at:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="{anchor}">{escape(text)}</text>'
            )
            taken = left + width
    taken = 1e9
    for value in y.ticks:
        at = _py(y.place(value))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        if taken - at > 12:
            parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{escape(y.text(value))}</text>')
            taken = at
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x.label)}</text>')
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    turned = f'transform="rotate(-90 11 {middle:.1f})"'
    parts.append(f'<text x="11" y="{middle:.1f}" text-anchor="middle" {turned}>{escape(y.label)}</text>')
    return "".join(parts)


def _svg(title: str, body: Sequence[str]) -> str:
    frame = (
        f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _LEFT - _RIGHT}" '
        f'height="{_HEIGHT - _TOP - _BOTTOM}"/>'
    )
    label = escape(title, quote=True)
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(body)}{frame}</svg>'
