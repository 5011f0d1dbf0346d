"""Problem documents into the library's errors: the same exception as if it had happened here.

The codes are those of `app/api/problems.py`; a test holds this module against that table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from pipeline.errors import (
    KeyRefusedError,
    KnownfaceError,
    ModelMissingError,
    PhotoTooLargeError,
    ServiceError,
    ServiceUnreachableError,
    SwitchRefusedError,
)

#: What the service itself refuses, and the library has the same error for.
_SAME: dict[str, type[KnownfaceError]] = {
    "key_needed": KeyRefusedError,
    "body_too_large": PhotoTooLargeError,
    "model_unknown": ModelMissingError,
}


def _tree(root: type[KnownfaceError]) -> Iterator[type[KnownfaceError]]:
    yield root
    for below in root.__subclasses__():
        yield from _tree(below)


def _named() -> dict[str, type[KnownfaceError]]:
    return {kind.code: kind for kind in _tree(KnownfaceError)} | _SAME


def error_named(code: str, message: str, more: Mapping[str, Any] | None = None) -> KnownfaceError:
    """The error of a code.

    Args:
        code: As in a problem document, or in a row of results.
        message: One line.
        more: What else the document says.
    """
    more, kind = more or {}, _named().get(code)
    if kind is SwitchRefusedError:
        return SwitchRefusedError(message, problems=more.get("problems", ()))
    if kind is None or issubclass(kind, ServiceError) or kind is KnownfaceError:
        status = more.get("status")
        return ServiceError(
            message,
            problem=code,
            status=status if isinstance(status, int) else None,
            request_id=str(more.get("request_id", "")),
        )
    return kind(message)


def error_of(response: httpx.Response) -> KnownfaceError:
    """The error that an answer stands for which is no success; its body was read."""
    said = _document(response)
    code, detail = str(said.get("error", "")), str(said.get("detail", ""))
    if code and detail:
        return error_named(code, detail, said)
    place = response.request.url.copy_with(raw_path=b"/")
    return ServiceError(
        f"{place}: answered {response.status_code} where Knownface would say why: is it the right address?",
        status=response.status_code,
    )


def code_of(response: httpx.Response) -> str:
    """The code of a problem document, "" where there is none."""
    return str(_document(response).get("error", ""))


def unreachable(base: httpx.URL, error: httpx.TransportError) -> ServiceUnreachableError:
    """The error of a server that does not answer."""
    why = str(error) or type(error).__name__
    return ServiceUnreachableError(
        f"{base}: the server does not answer ({why}): is `knownface api` running there, and the address right?"
    )


def renamed(error: KnownfaceError, sent: str, name: str) -> KnownfaceError:
    """The same error where the photo is called what it is called here, and not as it was sent."""
    from pipeline.images import one_line

    message = error.message
    if error.args and message.startswith(f"{sent}: "):
        error.args = (f"{one_line(name)}{message[len(sent) :]}", *error.args[1:])
    return error


def misread(url: httpx.URL, status: int) -> ServiceError:
    """The error of an answer that is none of a service this version knows."""
    place = url.copy_with(raw_path=b"/")
    return ServiceError(
        f"{place}: answered {status} with what this version does not understand: is it the right address, and are "
        "client and server of one version?",
        status=status,
    )


def _document(response: httpx.Response) -> dict[str, Any]:
    if response.headers.get("content-type", "").partition(";")[0] != "application/problem+json":
        return {}
    try:
        said = response.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
