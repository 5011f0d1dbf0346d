"""One photo or video cannot be used; in a batch it becomes a row."""

from __future__ import annotations

from pipeline.errors.base import KnownfaceError


class PhotoError(KnownfaceError):
    """One photo cannot be used. In a batch it becomes a row and the batch goes on."""

    code = "photo_error"


class PhotoNotFoundError(PhotoError):
    """There is no such file."""

    code = "photo_not_found"


class PhotoUnreadableError(PhotoError):
    """The path is a directory, may not be read, or reading failed."""

    code = "photo_unreadable"


class PhotoEmptyError(PhotoError):
    """The file has no bytes."""

    code = "photo_empty"


class PhotoFormatError(PhotoError):
    """The bytes are not an image in a supported format."""

    code = "photo_format"


class PhotoDamagedError(PhotoError):
    """The image is truncated or corrupt."""

    code = "photo_damaged"


class PhotoTooLargeError(PhotoError):
    """The file or its pixels exceed the limit; found before decoding."""

    code = "photo_too_large"


class NoFaceError(PhotoError):
    """No face was detected where one is needed."""

    code = "no_face"


class SeveralFacesError(PhotoError):
    """More than one face where exactly one is needed."""

    code = "several_faces"


class NotLiveError(PhotoError):
    """Liveness is asked for, and the face looks like a picture of one."""

    code = "not_live"


class DegenerateLandmarksError(PhotoError):
    """The landmarks (nearly) coincide, so no similarity transform is determined."""

    code = "degenerate_landmarks"


class VideoFormatError(PhotoError):
    """The bytes are not a video in a supported format, or hold no picture."""

    code = "video_format"


class VideoDamagedError(PhotoError):
    """The video is truncated or corrupt."""

    code = "video_damaged"


class VideoTooLargeError(PhotoError):
    """The video exceeds a limit: pixels of a frame, seconds, or frames."""

    code = "video_too_large"


class VideoUnsupportedError(PhotoError):
    """Reading videos takes a package that is not installed."""

    code = "video_unsupported"
