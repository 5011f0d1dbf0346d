"""A provider of identities (OpenID Connect), from `<home>/oidc.toml`, and which role each person or program has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from app.access.roles import Actor, Label, Role
from pipeline.config import parse_toml, read_text
from pipeline.errors import ConfigError
from pipeline.gallery import private

#: Before the name of whoever a provider vouches for: no user and no key of this machine has it, so that nobody whom the
#: provider calls by a local name looks like that user in the audit, or meets the requests of that key. Before a `sub`
#: "sub:" stands too, for it may look like an e-mail address, and nobody has verified it.
PREFIX = "oidc:"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_WORDS = {"scope", "scp"}  # claims of many words in one text (RFC 8693, 4.2)
#: With a key of the provider's own; none that whoever knows its public key could sign with.
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class Provider(BaseModel):
    """Who says who somebody is.

    Attributes:
        name: On the button of the page: "Log in with ...".
        client_id: As the provider knows the web page; "" where nobody logs in there with it.
        client_secret: Of the web page; never shown.
        server_metadata_url: The provider's discovery document (`.../.well-known/openid-configuration`).
        scope: What the web page asks for.
        audience: What bearer tokens for the service must be meant for, one of them; none: it takes no tokens.
        issuer: Who issues them; by default whoever the discovery document belongs to.
        algorithms: How they may be signed.
        emails: Role by e-mail address, which the provider must have verified.
        claim: Name of a claim, a text or a list of texts, such as `groups`; `a.b` is b inside a. `scope` is many words.
        claims: Role by value of that claim.
        default_role: Role of everybody else the provider knows; nobody else is let in without.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Text = "OpenID Connect"
    client_id: Text | Literal[""] = ""
    client_secret: SecretStr = SecretStr("")
    server_metadata_url: Text
    scope: Text = "openid email profile"
    audience: tuple[Text, ...] = ()
    issuer: str = ""
    algorithms: tuple[Algorithm, ...] = Field(get_args(Algorithm), min_length=1)
    emails: dict[str, Label] = Field(default_factory=dict)
    claim: str = ""
    claims: dict[str, Label] = Field(default_factory=dict)
    default_role: Label | None = None

    @field_validator("server_metadata_url")
    @classmethod
    def _safe(cls, value: str) -> str:
        if not is_safe(value):
            raise ValueError("must begin with https://")
        return value

    @field_validator("audience", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.client_id) != bool(self.client_secret.get_secret_value()):
            raise ValueError("client_id and client_secret go together")
        if not self.client_id and not self.audience:
            raise ValueError("client_id and client_secret (for the web page) or audience (for the service) is needed")
        return self

    def actor(self, told: Mapping[str, Any]) -> Actor | None:
        """Who somebody is, with the strongest role that is theirs; None where they have none.

        Args:
            told: The claims of an identity or bearer token, whose signature was checked.
        """
        email = str(told.get("email") or "") if told.get("email_verified") is True else ""
        labels: list[str | None] = [self.default_role]
        if email:
            labels.append({key.casefold(): label for key, label in self.emails.items()}.get(email.casefold()))
        if self.claim:
            held = _claim(told, self.claim)
            if isinstance(held, str) and self.claim in _WORDS:
                held = held.split()
            values = held if isinstance(held, list) else [held]
            labels += [self.claims.get(value) for value in values if isinstance(value, str)]
        roles = [Role.named(label) for label in labels if label is not None]
        said = email or str(told.get("sub") or "")
        shown = "".join(c for c in said if c.isprintable())[:200]
        return Actor(f"{PREFIX}{'' if email else 'sub:'}{shown}", max(roles)) if roles and shown else None


def is_safe(url: str) -> bool:
    """Whether nobody on the way can change what is at this address: by https, or on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:  # half of an IPv6 address
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _claim(told: Mapping[str, Any], name: str) -> Any:
    """A claim by its whole name, or else by its path."""
    if name in told:
        return told[name]
    held: Any = told
    for part in name.split("."):
        held = held.get(part) if isinstance(held, Mapping) else None
    return held


def load(home: Path) -> Provider | None:
    """The provider; None where none is set.

    Raises:
        ConfigError: The file is not its owner's alone, or cannot be used.
    """
    file = home / "oidc.toml"
    try:
        open_to_others = private.others_may(file, private.READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror or error})") from error
    if open_to_others:
        raise ConfigError(f"{file}: holds a secret and may be read by others: run `chmod 600 {file}`")
    try:
        return Provider(**parse_toml(read_text(file, ConfigError), file, ConfigError))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{file}: {where and f'{where}: '}{first['msg']}") from error
