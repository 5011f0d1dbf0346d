"""Who may use Knownface: users, sessions, passwords, API keys, bearer tokens."""

from __future__ import annotations

from pipeline.errors.base import KnownfaceError


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
