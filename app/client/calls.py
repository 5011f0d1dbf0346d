"""A request, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from app.client.problems import error_of, misread
from pipeline.errors import KnownfaceError
from pipeline.gallery.names import normalise

if TYPE_CHECKING:
    from pipeline.gallery import NewConsent

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One request.

    Attributes:
        method, path: Of the address.
        read: Makes the result of the answer's JSON.
        again: Sending it twice does what sending it once does.
        query, form, headers: Texts by name.
        body: JSON, None for none.
        content: The body as it is, None for none.
        files: The form's field, the name and the bytes of each photo.
        raw: The answer is no JSON: `read` gets its bytes.
        refused: Makes the result of an error; by default it is raised.
    """

    method: str
    path: str
    read: Callable[[Any], Answer]
    again: bool = True
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: bytes | None = None
    files: Sequence[tuple[str, str, bytes]] = ()
    raw: bool = False
    refused: Callable[[KnownfaceError], Answer] | None = None

    def request(self) -> dict[str, Any]:
        """What httpx is asked for; it can be asked as often as one likes."""
        files = [(name, (called, data)) for name, called, data in self.files]
        shared = {"method": self.method, "url": self.path, "headers": dict(self.headers), "params": dict(self.query)}
        bodies = {"json": self.body, "content": self.content, "data": dict(self.form) or None, "files": files or None}
        return shared | bodies

    def result(self, response: httpx.Response) -> Answer:
        """The result, of the last answer; its body was read.

        Raises:
            KnownfaceError: It is none.
        """
        if response.is_success:
            try:
                return self.read(response.content if self.raw else response.json())
            except (ValueError, KeyError, TypeError, AttributeError) as unclear:
                raise misread(response.request.url, response.status_code) from unclear
        error = error_of(response)
        if self.refused is None:
            raise error
        return self.refused(error)


def path_of(*parts: str) -> str:
    """An address: what comes from a name stays one part of it."""
    return "/v1/" + "/".join(_quoted(part) for part in parts)


def subject_path(name: str, *more: str) -> str:
    """The address of a subject.

    Raises:
        SubjectNameError: Nobody can be called so.
    """
    return path_of("subjects", normalise(name), *more)


def _quoted(part: str) -> str:
    """Part of an address; one of dots only would be taken for a step up."""
    quoted = quote(part, safe="", errors="replace")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


def consent_form(consent: NewConsent | None) -> dict[str, str]:
    """A consent as fields of a form, or as JSON."""
    if consent is None:
        return {}
    said = {
        "consent_purpose": consent.purpose,
        "consent_basis": consent.basis,
        "consent_until": None if consent.expires is None else consent.expires.isoformat(),
        "consent_text_version": consent.text_version,
        "consent_evidence": consent.evidence,
        "consent_given_by": consent.given_by,
    }
    return {name: value for name, value in said.items() if value is not None}


def nothing(_: Any) -> None:
    """Reads an answer that says no more than that it was done."""
