"""The gallery: who is enrolled, its database, and its encryption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.errors.base import KnownfaceError


class GalleryError(KnownfaceError):
    """Something about the gallery."""

    code = "gallery_error"


class SwitchRefusedError(GalleryError):
    """Another model was asked for, and somebody enrolled would not be found with it.

    Attributes:
        problems: Subject, sample, photo and reason of each sample that cannot be embedded with it.
        nameless: The message without anybody's name, as it may be kept: erasing somebody does not reach it.
    """

    code = "switch_refused"

    def __init__(self, message: str, *, problems: Sequence[Mapping[str, str]] = (), nameless: str = "") -> None:
        super().__init__(message)
        self.nameless = nameless or message
        self.problems = tuple(problems)


class SubjectNotFoundError(GalleryError):
    """No subject has this name."""

    code = "subject_not_found"


class SubjectExistsError(GalleryError):
    """A subject of this name exists already."""

    code = "subject_exists"


class SubjectNameError(GalleryError):
    """The name is empty, too long or has characters that cannot be printed."""

    code = "subject_name"


class ConsentMissingError(GalleryError):
    """The policy demands a consent for enrolling, and there is none in force."""

    code = "consent_missing"


class LegalHoldError(GalleryError):
    """A subject under a legal hold was to be erased."""

    code = "legal_hold"


class DuplicatePhotoError(GalleryError):
    """This very photo (same bytes, same face) is enrolled already.

    Attributes:
        subject: The subject it is enrolled for; "" where that is not known.
        sample_id: The sample that holds it; "" likewise.
    """

    code = "duplicate_photo"

    def __init__(self, message: str, *, subject: str = "", sample_id: str = "") -> None:
        super().__init__(message)
        self.subject, self.sample_id = subject, sample_id


class LookalikeError(GalleryError):
    """A photo to enrol looks like somebody else who is enrolled, and such photos are refused.

    Attributes:
        subject: Whom it looks like; "" where that is not known.
    """

    code = "looks_like_another"

    def __init__(self, message: str, *, subject: str = "") -> None:
        super().__init__(message)
        self.subject = subject


class GalleryDamagedError(GalleryError):
    """The gallery's database cannot be read."""

    code = "gallery_damaged"


class GalleryVersionError(GalleryError):
    """The gallery was written by a newer version."""

    code = "gallery_version"


class GalleryUnreachableError(GalleryError):
    """The server that holds the gallery, or its index, does not answer, or went away in the middle."""

    code = "gallery_unreachable"


class VaultError(GalleryError):
    """A gallery cannot be encrypted, or its encryption changed, in this way."""

    code = "vault_error"


class VaultLockedError(VaultError):
    """The gallery is encrypted and the key for it is missing, or another."""

    code = "vault_locked"


class GalleryBusyError(GalleryError):
    """Another process held the gallery's lock for longer than the busy timeout."""

    code = "gallery_busy"
