"""Those that stand alone in the tree."""

from __future__ import annotations

from pipeline.errors.base import KnownfaceError


class ExtraMissingError(KnownfaceError):
    """A package that only an extra installs is needed and not there."""

    code = "extra_missing"


class StreamError(KnownfaceError):
    """A camera or stream cannot be opened, or has ended."""

    code = "stream_lost"


class ChallengeError(KnownfaceError):
    """A challenge that is not known, was answered already, or has ended; or a video that is older than it."""

    code = "challenge_refused"


class NoOperatingPointError(KnownfaceError):
    """Neither the model's card nor a calibration says which score is a match."""

    code = "no_operating_point"


class CalibrationError(KnownfaceError):
    """The data cannot support the rate that was asked for; the message says what it would take."""

    code = "calibration_refused"


class ConfigError(KnownfaceError):
    """A settings file or option is invalid."""

    code = "config_invalid"
