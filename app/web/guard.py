"""Whether one has to log in, and who did: shared by the gate in front of the page and by the page itself."""

from __future__ import annotations

import ipaddress
import os
from functools import cache
from pathlib import Path

from app.access import LOCAL, Actor, oidc
from app.access.sessions import Sessions
from app.access.users import Users
from pipeline.config import Settings


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches a server at this address."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


class Guard:
    """Safe to share between threads.

    Args:
        settings: Whose data folder holds users and provider, and how long sessions last.
        address: Where the server listens.
        cookie: Name of the cookie with the session's token.

    Raises:
        ConfigError: The provider's file cannot be used.
    """

    def __init__(self, settings: Settings, address: str, cookie: str) -> None:
        self.users = Users(settings.home)
        found = oidc.load(settings.home)
        self.provider = found if found is not None and found.client_id else None  # else it is for programs only
        self.sessions = Sessions(60.0 * settings.session_idle_min, 60.0 * settings.session_max_min)
        self.cookie = cookie
        self._elsewhere = not is_loopback(address)

    def required(self) -> bool:
        """Whether everybody has to log in: where other machines reach the page, or there is anybody who can."""
        return self._elsewhere or self.provider is not None or self.users.any()

    def actor(self, token: str | None, *, use: bool = True) -> Actor | None:
        """Who the browser with this token belongs to; None for nobody, whose session has ended or never was.

        A local user is looked up: a role that was taken away is gone at once, and another password ends all sessions.

        Args:
            token: From the cookie.
            use: Count this as use of the session.
        """
        if not self.required():
            return LOCAL
        found = self.sessions.find(token, use=use) if token else None
        if found is None:
            return None
        actor, mark = found
        if mark is None:
            return actor
        role = self.users.role_of(actor.name, mark)
        return None if role is None else Actor(actor.name, role)


@cache
def guard() -> Guard:
    """The guard of this process, as `knownface web` set it up; without it, everybody has to log in.

    Raises:
        ConfigError: The settings cannot be used.
    """
    port = os.environ.get("KNOWNFACE_WEB_PORT", "")
    return Guard(settings(), os.environ.get("KNOWNFACE_WEB_ADDRESS", ""), f"knownface-{port}")


def settings() -> Settings:
    """The settings the environment names (`knownface web` sets it).

    Raises:
        ConfigError: They cannot be used.
    """
    return Settings.load(config_file())


def config_file() -> Path | None:
    """The settings file that was named, None for the one of the data folder."""
    config = os.environ.get("KNOWNFACE_CONFIG")
    return Path(config) if config else None
