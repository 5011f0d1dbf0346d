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
    │   ├── LookalikeError               looks_like_another   somebody else matches, and such photos are refused
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

The message of each is one line that says which file or thing, what is wrong and what to do. Each branch is a
module here, and everybody imports from this one; a new error is a class there, a line of the tree, and its name below.
"""

from pipeline.errors.access import (
    AccessError,
    KeyExistsError,
    KeyNotFoundError,
    KeyRefusedError,
    LastAdminError,
    LoginRefusedError,
    NotAllowedError,
    PasswordRefusedError,
    ProviderError,
    SessionEndedError,
    TokenRefusedError,
    UserExistsError,
    UserNameError,
    UserNotFoundError,
)
from pipeline.errors.base import KnownfaceError
from pipeline.errors.gallery import (
    ConsentMissingError,
    DuplicatePhotoError,
    GalleryBusyError,
    GalleryDamagedError,
    GalleryError,
    GalleryUnreachableError,
    GalleryVersionError,
    LegalHoldError,
    LookalikeError,
    SubjectExistsError,
    SubjectNameError,
    SubjectNotFoundError,
    SwitchRefusedError,
    VaultError,
    VaultLockedError,
)
from pipeline.errors.models import (
    CardError,
    CropError,
    ExportRefusedError,
    FetchError,
    HashMismatchError,
    LicenceError,
    ModelDamagedError,
    ModelError,
    ModelMismatchError,
    ModelMissingError,
    ModelSwitchedError,
    RuntimeUnavailableError,
)
from pipeline.errors.photos import (
    DegenerateLandmarksError,
    NoFaceError,
    NotLiveError,
    PhotoDamagedError,
    PhotoEmptyError,
    PhotoError,
    PhotoFormatError,
    PhotoNotFoundError,
    PhotoTooLargeError,
    PhotoUnreadableError,
    SeveralFacesError,
    VideoDamagedError,
    VideoFormatError,
    VideoTooLargeError,
    VideoUnsupportedError,
)
from pipeline.errors.runs import (
    DiskFullError,
    JobError,
    ResultsError,
    RunBusyError,
    RunDamagedError,
    RunError,
    RunNameError,
    RunNotFoundError,
    RunPathsError,
    UnknownClusterError,
    UnknownsBusyError,
    UnknownsDamagedError,
)
from pipeline.errors.service import ServiceError, ServiceUnreachableError
from pipeline.errors.single import (
    CalibrationError,
    ChallengeError,
    ConfigError,
    ExtraMissingError,
    NoOperatingPointError,
    StreamError,
)
from pipeline.errors.training import (
    CheckpointError,
    DivergedError,
    TrainingDataError,
    TrainingError,
)

__all__ = [
    "AccessError",
    "CalibrationError",
    "CardError",
    "ChallengeError",
    "CheckpointError",
    "ConfigError",
    "ConsentMissingError",
    "CropError",
    "DegenerateLandmarksError",
    "DiskFullError",
    "DivergedError",
    "DuplicatePhotoError",
    "ExportRefusedError",
    "ExtraMissingError",
    "FetchError",
    "GalleryBusyError",
    "GalleryDamagedError",
    "GalleryError",
    "GalleryUnreachableError",
    "GalleryVersionError",
    "HashMismatchError",
    "JobError",
    "KeyExistsError",
    "KeyNotFoundError",
    "KeyRefusedError",
    "KnownfaceError",
    "LastAdminError",
    "LegalHoldError",
    "LicenceError",
    "LoginRefusedError",
    "LookalikeError",
    "ModelDamagedError",
    "ModelError",
    "ModelMismatchError",
    "ModelMissingError",
    "ModelSwitchedError",
    "NoFaceError",
    "NoOperatingPointError",
    "NotAllowedError",
    "NotLiveError",
    "PasswordRefusedError",
    "PhotoDamagedError",
    "PhotoEmptyError",
    "PhotoError",
    "PhotoFormatError",
    "PhotoNotFoundError",
    "PhotoTooLargeError",
    "PhotoUnreadableError",
    "ProviderError",
    "ResultsError",
    "RunBusyError",
    "RunDamagedError",
    "RunError",
    "RunNameError",
    "RunNotFoundError",
    "RunPathsError",
    "RuntimeUnavailableError",
    "ServiceError",
    "ServiceUnreachableError",
    "SessionEndedError",
    "SeveralFacesError",
    "StreamError",
    "SubjectExistsError",
    "SubjectNameError",
    "SubjectNotFoundError",
    "SwitchRefusedError",
    "TokenRefusedError",
    "TrainingDataError",
    "TrainingError",
    "UnknownClusterError",
    "UnknownsBusyError",
    "UnknownsDamagedError",
    "UserExistsError",
    "UserNameError",
    "UserNotFoundError",
    "VaultError",
    "VaultLockedError",
    "VideoDamagedError",
    "VideoFormatError",
    "VideoTooLargeError",
    "VideoUnsupportedError",
]
