"""A model, its card, its files or its runtime."""

from __future__ import annotations

from pipeline.errors.base import KnownfaceError


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
