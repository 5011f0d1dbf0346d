"""Where the web page listens, under which names it answers, and the options that Streamlit gets for it."""

from __future__ import annotations

import ipaddress
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.config import Settings

_OWN = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the page is.

    Attributes:
        address: Where the server listens.
        port: Likewise.
        url: What people type, without a path; "" where that follows from the address.
        tls: Certificate and key; None without.
        local: Only this machine reaches it.
    """

    address: str
    port: int
    url: str
    tls: tuple[Path, Path] | None
    local: bool

    @classmethod
    def checked(
        cls, settings: Settings, address: str, port: int, url: str, cert: Path | None, key: Path | None
    ) -> Place:
        """The place, where it is one that may be used.

        Raises:
            ConfigError: It is no address or URL; others would reach the page and nobody has to log in.
        """
        bare = cls.listening(address, port)
        address, local = bare.address, bare.local
        if (cert is None) != (key is None):
            raise ConfigError("https takes both --tls-cert and --tls-key")
        tls = (cert.resolve(), key.resolve()) if cert is not None and key is not None else None
        for file in tls or ():
            if not file.is_file():
                raise ConfigError(f"{file}: there is no such file")
        from app.access import oidc
        from app.access.users import Users

        logs_in = oidc.load(settings.home) is not None or Users(settings.home).any()
        if not logs_in and (not local or url):
            where = url or address
            raise ConfigError(
                f"{where}: other machines would reach every face and name, and nobody would have to log in: add a user "
                "first (`knownface users add NAME --role admin`), or name a provider of identities in "
                f"{settings.home / 'oidc.toml'}"
            )
        return cls(address, port, _origin(url), tls, local)

    @classmethod
    def listening(cls, address: str, port: int) -> Place:
        """The place at an address, without a URL or https. Errors: ConfigError, where that is none."""
        address = _numeric(address)
        return cls(address, port, "", None, ipaddress.ip_address(address).is_loopback)

    @property
    def scheme(self) -> str:
        """`https` with a certificate, else `http`."""
        return "https" if self.tls else "http"

    @property
    def shown_url(self) -> str:
        """Where to point a browser."""
        return self.url or f"{self.scheme}://{_in_url(self.address)}:{self.port}"

    def names(self) -> list[str]:
        """The names the server answers to. Every other is refused: it may be one that was made to lead here."""
        names = [*_OWN]
        if self.url:
            names.append(str(urlsplit(self.url).hostname))
        if not self.local:
            unspecified = ipaddress.ip_address(self.address).is_unspecified
            names += _of_this_machine() if unspecified else [self.address]
        return list(dict.fromkeys(name.lower() for name in names))

    def origins(self) -> list[str]:
        """The origins whose pages may talk to the server."""
        own = [f"{self.scheme}://{_in_url(name)}:{self.port}" for name in self.names()]
        return [*([self.url] if self.url else []), *own]

    def warnings(self) -> list[str]:
        """What to think of before others use it."""
        if self.local or self.tls or self.url.startswith("https://"):
            return []
        return [
            "warning: passwords and photos travel unprotected over the network: give --tls-cert and --tls-key, or let "
            "a proxy do https and name it with --url https://..."
        ]

    def check_free(self) -> None:
        """Refuses a port that something else listens on.

        Raises:
            ConfigError: It is taken, or the address is none of this machine.
        """
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":  # as the server does: a port that was in use a moment ago may be taken again
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.address, self.port))
            except OSError as error:
                raise ConfigError(
                    f"{self.address}, port {self.port}: cannot be used ({error.strerror}): choose another with --port"
                ) from error


def _numeric(address: str) -> str:
    if address == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(address.strip("[]")))
    except ValueError as error:
        raise ConfigError(
            f"--address {address}: is no address; 127.0.0.1 is this machine only, 0.0.0.0 every network of it"
        ) from error


def _origin(url: str) -> str:
    if not url:
        return ""
    with suppress(ValueError):  # half of an IPv6 address
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.path in {"", "/"} and "@" not in parts.netloc:
            return f"{parts.scheme}://{parts.netloc}".lower()
    raise ConfigError(f"--url {url}: write it as https://faces.example.org, without a path")


def _in_url(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def _of_this_machine() -> list[str]:
    """Its names and addresses, as it knows them itself."""
    name = socket.gethostname()
    found = [name, socket.getfqdn()]
    with suppress(OSError):  # a machine that does not know its own name is still reached by --url
        found += [str(info[4][0]).split("%")[0] for info in socket.getaddrinfo(name, None)]
    return found


def environment(place: Place, settings: Settings, config: Path | None) -> dict[str, str]:
    """The variables of the server: none of Streamlit's but our own."""
    from app.web import theme

    variables = {name: value for name, value in os.environ.items() if not name.upper().startswith("STREAMLIT_")}
    variables |= theme.environment()
    variables.setdefault("MALLOC_ARENA_MAX", "2")  # glibc: an arena for each thread would keep what photos took once
    variables |= {"KNOWNFACE_GALLERY": settings.gallery_location, "KNOWNFACE_HOME": str(settings.home)}
    variables |= {
        "KNOWNFACE_WEB_ADDRESS": place.address,
        "KNOWNFACE_WEB_PORT": str(place.port),
        "KNOWNFACE_WEB_URL": place.url,
        "FORWARDED_ALLOW_IPS": "",  # uvicorn: who asks is who is connected, whatever a header says
    }
    if config:
        variables["KNOWNFACE_CONFIG"] = str(config.resolve())
    return variables


def options(place: Place, *, browser: bool, max_bytes: int) -> list[str]:
    """Streamlit's options. What guards the page is given even where it is Streamlit's default.

    The command line overrules the .streamlit/config.toml of the user and of the folder where this is started.
    allowedHosts is what keeps out a site that makes its name lead here (DNS rebinding): it counts as the same origin,
    so that neither CORS nor XSRF protection refuses it.
    """
    shown = urlsplit(place.shown_url)
    chosen = {
        "global.developmentMode": "false",
        "server.address": place.address,
        "server.port": str(place.port),
        "server.baseUrlPath": "",
        "server.headless": "false" if browser else "true",
        "server.showEmailPrompt": "false",
        "logger.hideWelcomeMessage": "true",  # nor Streamlit's offer, on every page, to install skills for AI agents
        "server.maxUploadSize": str(max(1, max_bytes // (1024 * 1024))),
        "server.fileWatcherType": "none",
        "server.enableCORS": "true",
        "server.enableXsrfProtection": "true",
        "server.xsrfCookieSameSite": "lax",
        "server.enableStaticServing": "false",
        "server.enableAgentApi": "false",
        "browser.serverAddress": str(shown.hostname),
        "browser.serverPort": str(shown.port or (443 if shown.scheme == "https" else 80)),
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "client.toolbarMode": "minimal",
    }
    if place.tls:
        chosen |= {"server.sslCertFile": str(place.tls[0]), "server.sslKeyFile": str(place.tls[1])}
    repeated = [f"--server.allowedHosts={name}" for name in place.names()]
    repeated += [f"--server.corsAllowedOrigins={origin}" for origin in place.origins()]
    return [*(f"--{name}={value}" for name, value in chosen.items()), *repeated]
