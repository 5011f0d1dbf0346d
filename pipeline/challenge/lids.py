"""Blinks, from how surely eyes are open over time."""

from __future__ import annotations

import numpy as np

_SUREST = 1e-7


class Lids:
    """Watches one face's eyes.

    A blink is a fall of the logit of the score by `fall` below its median over the last `usual_s`, and back by half of
    it within `shut_s`: what the score is while eyes are open differs from face to face and with the light.

    Args:
        fall: Of the logit.
        shut_s: Eyes that stay shut for longer do not blink.
        usual_s: The median is of so long.
    """

    def __init__(self, fall: float, shut_s: float, usual_s: float) -> None:
        self._fall, self._shut_s, self._usual_s = fall, shut_s, usual_s
        self._open: list[tuple[float, float]] = []
        self._shut: tuple[float, float] | None = None

    def blinked(self, time_s: float, score: float) -> bool:
        """Whether a blink ends with this frame; `score` in [0, 1], the higher the more surely open."""
        clipped = float(np.clip(score, _SUREST, 1 - _SUREST))
        logit = float(np.log(clipped / (1 - clipped)))
        self._open = [(at, value) for at, value in self._open if time_s - at <= self._usual_s]
        if self._shut is not None:
            since, usual = self._shut
            if usual - logit < self._fall / 2:
                self._shut, self._open = None, [(time_s, logit)]
                return time_s - since <= self._shut_s
            if time_s - since > self._usual_s:  # the light has changed, or the eyes stay shut
                self._shut, self._open = None, [(time_s, logit)]
            return False
        usual = float(np.median([value for _, value in self._open])) if self._open else logit
        if usual - logit >= self._fall:
            self._shut = time_s, usual
        else:
            self._open.append((time_s, logit))
        return False
