"""Every error a user can meet, as one tree.

    KnownfaceError                       code
    ├── PhotoError                       one photo cannot be used; in a batch it becomes a row
    │   ├── PhotoNotFoundError           photo_not_found
    │   ├── PhotoUnreadableError         photo_unreadable     a directory, a missing permission, an I/O error
    │   ├── PhotoEmptyError              photo_empty          zero bytes
    │   ├── PhotoFormatError             photo_format         not an image, or a format that is not supported
    │   ├── PhotoDamagedError            photo_damaged        truncated or corrupt
    │   ├── PhotoTooLargeError           photo_too_large      over the byte or pixel limit, checked before decoding
    │   ├── NoFaceError                  no_face
    │   ├── SeveralFacesError            several_faces        an enrolment photo must show one face
    │   ├── NotLiveError                 not_live             liveness is on: this looks like a picture of a face
    │   ├── DegenerateLandmarksError     degenerate_landmarks the five points do not determine a similarity
    │   ├── VideoFormatError             video_format         not a video, or none with a picture
    │   ├── VideoDamagedError            video_damaged        truncated or corrupt
    │   ├── VideoTooLargeError           video_too_large      over the limit on pixels, seconds or frames
    │   └── VideoUnsupportedError        video_unsupported    the package that reads videos is not installed
    ├── ModelError
    │   ├── ModelMissingError            model_missing        not installed: names the command that installs it
    │   ├── ModelMismatchError           model_mismatch       templates of two models were compared
    │   ├── ModelSwitchedError           model_switched       the gallery is searched with another model by now
    │   ├── ModelDamagedError            model_damaged        a file does not have the hash of its card
    │   ├── CardError                    card_invalid         a model card cannot be read
    │   ├── FetchError                   fetch_failed         a download failed
    │   ├── HashMismatchError            hash_mismatch        a download is not what its card promises
    │   ├── LicenceError                 licence_not_accepted
    │   ├── CropError                    crop_unsuited        aligned faces are not cut out as the network needs them
    │   ├── ExportRefusedError           export_refused       an exported model does not decide like its source
    │   └── RuntimeUnavailableError      runtime_unavailable  a runtime or provider was asked for that is not there
    ├── GalleryError
    │   ├── SwitchRefusedError           switch_refused       another model was asked for, and somebody would be lost
    │   ├── SubjectNotFoundError         subject_not_found
    │   ├── SubjectExistsError           subject_exists
    │   ├── SubjectNameError             subject_name         empty, too long, or not printable
    │   ├── ConsentMissingError          consent_missing      the policy demands a consent, and there is none
    │   ├── LegalHoldError               legal_hold           may not be erased
    │   ├── DuplicatePhotoError          duplicate_photo      this very photo is enrolled already
    │   ├── GalleryDamagedError          gallery_damaged
    │   ├── GalleryVersionError          gallery_version      made by a newer Knownface
    │   ├── GalleryUnreachableError      gallery_unreachable  the gallery's database server cannot be reached
    │   ├── VaultError                   vault_error          its encryption cannot be begun or changed so
    │   │   └── VaultLockedError         vault_locked         it is encrypted, and the key is missing or another
    │   └── GalleryBusyError             gallery_busy         the lock was not to be had within the busy timeout
    ├── TrainingError
    │   ├── TrainingDataError            training_data        the training photos cannot be used
    │   ├── CheckpointError              checkpoint_invalid   a checkpoint or file of weights cannot be used
    │   └── DivergedError                diverged             the loss or the gradients are no longer finite
    ├── RunError
    │   ├── RunNameError                 run_name             a run cannot be called so
    │   ├── RunNotFoundError             run_not_found
    │   ├── RunBusyError                 run_busy             another process works on the run
    │   ├── RunDamagedError              run_damaged          its ledger cannot be read or written
    │   ├── RunPathsError                run_paths            other paths would take files out of the run
    │   ├── UnknownClusterError          unknown_cluster      there is no such cluster of unknown faces
    │   ├── UnknownsBusyError            unknowns_busy        another process clusters the unknown faces
    │   ├── UnknownsDamagedError         unknowns_damaged     the file of clusters cannot be read or written
    │   ├── ResultsError                 results_unwritable   a file or folder of results cannot be written
    │   └── DiskFullError                disk_full            what was brought along does not fit on the disk
    ├── JobError                         job_error            a job in the background cannot be started
    ├── AccessError
    │   ├── NotAllowedError              not_allowed          the actor's role is too weak for this
    │   ├── LoginRefusedError            login_refused        wrong name or password, or locked after repeated failures
    │   ├── SessionEndedError            session_ended        whoever acts has to log in again
    │   ├── PasswordRefusedError         password_refused     too short, too long, or too easy to guess
    │   ├── UserNameError                user_name
    │   ├── UserExistsError              user_exists
    │   ├── UserNotFoundError            user_not_found
    │   ├── LastAdminError               last_admin           nobody would be left who may add and remove users
    │   ├── KeyRefusedError              key_refused          an API key that is not known, or has ended
    │   ├── KeyExistsError               key_exists
    │   ├── KeyNotFoundError             key_not_found
    │   ├── TokenRefusedError            token_refused        a bearer token that does not count, or not any more
    │   └── ProviderError                provider_unreachable the provider of identities gives no usable answer
    ├── ServiceError                     service_error        a server refused, or failed (`app.client`)
    │   └── ServiceUnreachableError      service_unreachable  a server does not answer
    ├── ExtraMissingError                extra_missing        a package of an extra is needed and not installed
    ├── StreamError                      stream_lost          a camera or stream cannot be opened, or has ended
    ├── ChallengeError                   challenge_refused    not known, answered before, or ended
    ├── NoOperatingPointError            no_operating_point   nothing says which score is a match
    ├── CalibrationError                 calibration_refused  the data cannot support what was asked for
    └── ConfigError                      config_invalid

The message of each is one line that says which file or thing, what is wrong and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class KnownfaceError(Exception):
    """Base of every named error.

    Attributes:
        code: Stable name, as it stands in `{"error": code, "message": ...}`.
    """

    code: ClassVar[str] = "error"

    @property
    def message(self) -> str:
        """The one line shown to the user."""
        return str(self)

    def as_dict(self) -> dict[str, str]:
        """The JSON form: `{"error": code, "message": message}`."""
        return {"error": self.code, "message": self.message}


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


class ModelError(KnownfaceError):
    """Something about a model, its card or its files."""

    code = "model_error"


class ModelMissingError(ModelError):
    """A model is needed that is not installed."""

    code = "model_missing"


class ModelMismatchError(ModelError):
    """Templates of different models were compared."""

    code = "model_mismatch"


class ModelSwitchedError(ModelError):
    """The gallery is searched with another model than the one a template was made with."""

    code = "model_switched"


class ModelDamagedError(ModelError):
    """An installed model file differs from its card."""

    code = "model_damaged"


class CardError(ModelError):
    """A model card cannot be read or does not validate."""

    code = "card_invalid"


class FetchError(ModelError):
    """A download failed."""

    code = "fetch_failed"


class HashMismatchError(FetchError):
    """A download does not have the SHA-256 its card promises; it was removed."""

    code = "hash_mismatch"


class LicenceError(ModelError):
    """The licence of the weights has to be accepted first."""

    code = "licence_not_accepted"


class CropError(ModelError):
    """Aligned faces are not cut out the way the network needs them."""

    code = "crop_unsuited"


class ExportRefusedError(ModelError):
    """An exported model does not pass its checks, or does not decide like its source; nothing was left of it."""

    code = "export_refused"


class RuntimeUnavailableError(ModelError):
    """A runtime or execution provider was asked for that this machine does not have."""

    code = "runtime_unavailable"


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


class GalleryDamagedError(GalleryError):
    """The gallery's database cannot be read."""

    code = "gallery_damaged"


class GalleryVersionError(GalleryError):
    """The gallery was written by a newer version."""

    code = "gallery_version"


class GalleryBusyError(GalleryError):
    """Another process held the gallery's lock for longer than the busy timeout."""

    code = "gallery_busy"


class VaultError(GalleryError):
    """A gallery cannot be encrypted, or its encryption changed, in this way."""

    code = "vault_error"


class VaultLockedError(VaultError):
    """The gallery is encrypted and the key for it is missing, or another."""

    code = "vault_locked"


class TrainingError(KnownfaceError):
    """Something about training."""

    code = "training_error"


class TrainingDataError(TrainingError):
    """The training photos, or a file that holds them, cannot be used."""

    code = "training_data"


class CheckpointError(TrainingError):
    """A checkpoint or a file of weights is missing, damaged, or of another network."""

    code = "checkpoint_invalid"


class DivergedError(TrainingError):
    """The loss or the gradients are no longer finite numbers."""

    code = "diverged"


class GalleryUnreachableError(GalleryError):
    """The server that holds the gallery, or its index, does not answer, or went away in the middle."""

    code = "gallery_unreachable"


class RunError(KnownfaceError):
    """Something about a run and its ledger."""

    code = "run_error"


class RunNameError(RunError):
    """A run cannot have this name."""

    code = "run_name"


class RunNotFoundError(RunError):
    """No run, or no face of it, has this name."""

    code = "run_not_found"


class RunBusyError(RunError):
    """Another process works on the run."""

    code = "run_busy"


class RunDamagedError(RunError):
    """The ledger of a run cannot be read or written."""

    code = "run_damaged"


class RunPathsError(RunError):
    """A run holds files outside the paths that it is to go on with, so they would be erased from it."""

    code = "run_paths"


class ResultsError(RunError):
    """A file or folder of results cannot be written."""

    code = "results_unwritable"


class DiskFullError(RunError):
    """What was brought along for a run does not fit on the disk."""

    code = "disk_full"


class UnknownClusterError(RunError):
    """There is no such cluster of unknown faces, or what was asked cannot be done to it."""

    code = "unknown_cluster"


class UnknownsBusyError(RunError):
    """Another process has been clustering the unknown faces for too long."""

    code = "unknowns_busy"


class UnknownsDamagedError(RunError):
    """The file that keeps the clusters of unknown faces cannot be read or written."""

    code = "unknowns_damaged"


class JobError(KnownfaceError):
    """A job in the background is under way, or cannot be started."""

    code = "job_error"


class AccessError(KnownfaceError):
    """Something about who may use Knownface; by itself: users or sessions cannot be read or written."""

    code = "access_error"


class NotAllowedError(AccessError):
    """The role of whoever acts is too weak for this."""

    code = "not_allowed"


class LoginRefusedError(AccessError):
    """The name or the password is wrong, or the name is locked after repeated failures.

    Attributes:
        wait_s: Seconds until it may be tried again; 0 where it may be now.
        user: The name of the user there is, for the log alone; "" where there is none, whatever was typed.
        lock_s: For how many seconds this attempt has locked the name; 0 where it has not.
    """

    code = "login_refused"

    def __init__(self, message: str, *, wait_s: float = 0.0, user: str = "", lock_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s, self.user, self.lock_s = wait_s, user, lock_s


class SessionEndedError(AccessError):
    """Whoever acts has to log in again."""

    code = "session_ended"


class PasswordRefusedError(AccessError):
    """A new password is too short, too long, or too easy to guess."""

    code = "password_refused"


class UserNameError(AccessError):
    """A user's name cannot be used."""

    code = "user_name"


class UserExistsError(AccessError):
    """There is a user of this name already."""

    code = "user_exists"


class UserNotFoundError(AccessError):
    """There is no user of this name."""

    code = "user_not_found"


class LastAdminError(AccessError):
    """Nobody would be left who may add and remove users."""

    code = "last_admin"


class KeyRefusedError(AccessError):
    """An API key is not known, was removed, has ended, or would have.

    Attributes:
        key: The name of the key there is, for the log alone; "" where there is none.
    """

    code = "key_refused"

    def __init__(self, message: str, *, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class KeyExistsError(AccessError):
    """There is an API key, or a user, of this name already."""

    code = "key_exists"


class KeyNotFoundError(AccessError):
    """There is no API key of this name."""

    code = "key_not_found"


class TokenRefusedError(AccessError):
    """A bearer token was not signed by the provider, is not meant for this server, or does not count at this time."""

    code = "token_refused"


class ProviderError(AccessError):
    """The provider of identities is not there, or what it answers is none of what it should."""

    code = "provider_unreachable"


class ServiceError(KnownfaceError):
    """A server refused a request by rules of its own, or failed; seen by `app.client` only.

    Attributes:
        problem: The code that the server gave, such as `rate_limited`; "" where it gave none.
        status: The HTTP status; None where there was no answer.
        request_id: Stands in the server's log too; "" where there is none.
    """

    code = "service_error"

    def __init__(self, message: str, *, problem: str = "", status: int | None = None, request_id: str = "") -> None:
        super().__init__(message)
        self.problem, self.status, self.request_id = problem, status, request_id


class ServiceUnreachableError(ServiceError):
    """A server does not answer, or went away in the middle."""

    code = "service_unreachable"


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
