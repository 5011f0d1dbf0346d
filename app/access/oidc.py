"""A provider of identities (OpenID Connect), from `<home>/oidc.toml`, and which role each person has."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError, field_validator

from app.access.roles import Actor, Label, Role
from pipeline.config import parse_toml, read_text
from pipeline.errors import ConfigError

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class Provider(BaseModel):
    """Who says who somebody is.

    Attributes:
        name: On the button of the page: "Log in with ...".
        client_id: As the provider knows this Knownface.
        client_secret: Never shown.
        server_metadata_url: The provider's discovery document (`.../.well-known/openid-configuration`).
        scope: What is asked for.
        emails: Role by e-mail address, which the provider must have verified.
        claim: Name of a claim, a text or a list of texts, such as `groups`.
        claims: Role by value of that claim.
        default_role: Role of everybody else the provider knows; nobody else is let in without.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Text = "OpenID Connect"
    client_id: Text
    client_secret: SecretStr
    server_metadata_url: Text
    scope: Text = "openid email profile"
    emails: dict[str, Label] = Field(default_factory=dict)
    claim: str = ""
    claims: dict[str, Label] = Field(default_factory=dict)
    default_role: Label | None = None

    @field_validator("server_metadata_url")
    @classmethod
    def _safe(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("must begin with https://")
        return value

    def actor(self, told: Mapping[str, Any]) -> Actor | None:
        """Who somebody is, with the strongest role that is theirs; None where they have none.

        Args:
            told: The claims of the identity token, whose signature was checked.
        """
        email = str(told.get("email") or "") if told.get("email_verified") is True else ""
        labels: list[str | None] = [self.default_role]
        if email:
            labels.append({key.casefold(): label for key, label in self.emails.items()}.get(email.casefold()))
        if self.claim:
            held = told.get(self.claim)
            values = held if isinstance(held, list) else [held]
            labels += [self.claims.get(value) for value in values if isinstance(value, str)]
        roles = [Role.named(label) for label in labels if label is not None]
        name = "".join(c for c in (email or str(told.get("sub") or "")) if c.isprintable())[:200]
        return Actor(name, max(roles)) if roles and name else None


def load(home: Path) -> Provider | None:
    """The provider; None where none is set.

    Raises:
        ConfigError: The file is not its owner's alone, or cannot be used.
    """
    file = home / "oidc.toml"
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror or error})") from error
    if os.name == "posix" and (found.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or found.st_uid not in {0, os.getuid()}):
        raise ConfigError(f"{file}: holds a secret and may be read by others: run `chmod 600 {file}`")
    try:
        return Provider(**parse_toml(read_text(file, ConfigError), file, ConfigError))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise ConfigError(f"{file}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error
