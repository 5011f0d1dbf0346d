"""What counts as having followed a challenge."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChallengePolicy:
    """The thresholds, and where each comes from; docs/liveness.md has the measurements.

    Attributes:
        steps: Movements of a challenge.
        valid_s: For so long after it was made a challenge can be answered.
        turn_deg: A head that turned so far to a side, beyond where it was, has turned. Flat pictures turned by 45
            degrees look to the landmarks like heads turned by up to 22, so this alone tells no picture.
        tilt_deg: Likewise up or down, where the landmarks are coarser.
        neutral_deg: Within this of where it was, the head is back.
        still_deg, still_s: So steady, for so long, is a head that looks straight ahead before the first step.
        straight_deg: No further turned is it then.
        hold: Frames in which a turn, or another face, has to be seen.
        step_s: A step takes no longer.
        gap_s: The face is out of sight for no longer.
        speed_deg_s: A head does not turn faster; a picture that is exchanged does.
        overlap: Least intersection over union of the face's boxes in two frames, one after the other.
        relief: Least depth of the face: its departure from a plane (`Surface`) divided by the sine of the turn.
        lids_fall, lids_shut_s, lids_usual_s: What is a blink, as `Lids` has it.
        blinks, blinks_s: A blink as a step is so many of them within so long: single ones come by themselves.
        interval_ms: A video is looked at so often.
    """

    steps: int = 3
    valid_s: float = 120.0
    turn_deg: float = 20.0
    tilt_deg: float = 15.0
    neutral_deg: float = 8.0
    still_deg: float = 6.0
    still_s: float = 0.4
    straight_deg: float = 20.0
    hold: int = 2
    step_s: float = 10.0
    gap_s: float = 0.7
    speed_deg_s: float = 250.0
    overlap: float = 0.2
    relief: float = 0.08
    lids_fall: float = 6.0
    lids_shut_s: float = 0.6
    lids_usual_s: float = 1.0
    blinks: int = 2
    blinks_s: float = 2.0
    interval_ms: int = 66

    def __post_init__(self) -> None:
        if self.steps < 1 or self.hold < 1:
            raise ValueError("a challenge needs at least one step, and a turn at least one frame")
        if self.interval_ms < 1:
            raise ValueError("interval_ms must be at least 1")
        if not 0 < self.neutral_deg < min(self.turn_deg, self.tilt_deg):
            raise ValueError("0 < neutral_deg < turn_deg and tilt_deg must hold")
