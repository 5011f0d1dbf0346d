"""Every error as a problem document (RFC 9457). One table says which status each has; a test proves it complete."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipeline.errors import KnownfaceError

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:knownface:problem:"

#: Of the errors in pipeline/errors: code -> status and what all errors of the code have in common.
ERRORS: dict[str, tuple[int, str]] = {
    "error": (500, "An error without a name of its own"),
    # a photo
    "photo_error": (422, "The photo cannot be used"),
    "photo_not_found": (422, "There is no such photo"),
    "photo_unreadable": (422, "The photo or folder cannot be read, or may not be named"),
    "photo_empty": (422, "The photo has no bytes"),
    "photo_format": (422, "This is no photo in a supported format"),
    "photo_damaged": (422, "The photo is truncated or corrupt"),
    "photo_too_large": (413, "The photo is larger than the limit"),
    "no_face": (422, "No face was found"),
    "several_faces": (422, "Not the one face that is needed"),
    "not_live": (422, "This looks like a picture of a face"),
    "degenerate_landmarks": (422, "The landmarks determine no face"),
    "video_format": (422, "This is no video in a supported format"),
    "video_damaged": (422, "The video is truncated or corrupt"),
    "video_too_large": (413, "The video is larger than the limit"),
    "video_unsupported": (501, "Videos cannot be read here"),
    # models
    "model_error": (500, "Something is wrong with a model"),
    "model_missing": (503, "A model is not installed"),
    "model_mismatch": (409, "Templates of two models do not compare"),
    "model_switched": (409, "The gallery is searched with another model by now"),
    "model_damaged": (503, "A model differs from its card"),
    "card_invalid": (500, "A model's card cannot be read"),
    "fetch_failed": (502, "A download failed"),
    "hash_mismatch": (502, "A download is not what its card promises"),
    "licence_not_accepted": (409, "The licence of the weights has to be accepted first"),
    "crop_unsuited": (409, "The aligned faces do not fit the network"),
    "export_refused": (409, "The exported model does not decide like its source"),
    "runtime_unavailable": (503, "A runtime is not there"),
    # the gallery
    "gallery_error": (500, "Something is wrong with the gallery"),
    "switch_refused": (409, "The gallery cannot go over to this model"),
    "subject_not_found": (404, "There is no such subject or sample"),
    "subject_exists": (409, "There is such a subject already"),
    "subject_name": (422, "The name cannot be used"),
    "consent_missing": (422, "The policy demands a consent"),
    "legal_hold": (409, "The subject is under a legal hold"),
    "vault_error": (409, "The encryption of the gallery cannot be changed so"),
    "vault_locked": (503, "The gallery is encrypted, and its key is missing"),
    "duplicate_photo": (409, "This photo is enrolled already"),
    "looks_like_another": (409, "The photo looks like somebody else who is enrolled"),
    "gallery_damaged": (500, "The gallery cannot be read"),
    "gallery_version": (500, "The gallery was made by a newer version"),
    "gallery_unreachable": (503, "The gallery cannot be reached"),
    "gallery_busy": (503, "The gallery is busy"),
    # training
    "training_error": (500, "Something is wrong with the training"),
    "training_data": (422, "The training photos cannot be used"),
    "checkpoint_invalid": (422, "The checkpoint cannot be used"),
    "diverged": (500, "The training diverged"),
    # runs and unknown faces
    "run_error": (500, "Something is wrong with the run"),
    "run_name": (422, "A run cannot have this name"),
    "run_paths": (409, "The run holds files outside these paths, which would be erased from it"),
    "run_not_found": (404, "There is no such run or face"),
    "run_busy": (409, "A process works on the run"),
    "run_damaged": (500, "The run cannot be read"),
    "unknown_cluster": (404, "There is no such cluster, or this cannot be done to it"),
    "unknowns_busy": (409, "The unknown faces are being clustered"),
    "unknowns_damaged": (500, "The clusters cannot be read"),
    "results_unwritable": (500, "Results cannot be written"),
    "disk_full": (507, "The disk is full"),
    "job_error": (409, "A job is under way, or cannot be started"),
    # who may
    "access_error": (500, "Users or keys cannot be read"),
    "not_allowed": (403, "The role is too weak for this"),
    "login_refused": (401, "Name and password were refused"),
    "session_ended": (401, "The session has ended"),
    "password_refused": (422, "The password cannot be used"),
    "user_name": (422, "The name cannot be used"),
    "user_exists": (409, "There is such a user already"),
    "user_not_found": (404, "There is no such user"),
    "last_admin": (409, "Nobody would be left who may add and remove users"),
    "key_refused": (401, "The API key is not known, or has ended"),
    "token_refused": (401, "The bearer token does not count here, or not any more"),
    "provider_unreachable": (503, "The provider of identities gives no usable answer"),
    "key_exists": (409, "There is such a key already"),
    "key_not_found": (404, "There is no such key"),
    # the rest
    "service_error": (502, "Another server refused, or failed"),
    "service_unreachable": (502, "Another server does not answer"),
    "extra_missing": (501, "A package of an extra is not installed"),
    "stream_lost": (422, "The camera or stream cannot be read"),
    "challenge_refused": (409, "The challenge cannot be answered, or not any more"),
    "no_operating_point": (409, "Nothing says which score is a match"),
    "calibration_refused": (422, "The data cannot support what was asked for"),
    "config_invalid": (500, "The settings cannot be used"),
}

#: What only the service itself refuses.
OWN: dict[str, tuple[int, str]] = {
    "body_unreadable": (400, "The body cannot be read"),
    "key_needed": (401, "An API key is needed"),
    "host_refused": (403, "Not one of this server's names, or a page of another site"),
    "not_found": (404, "There is nothing at this address"),
    "method_not_allowed": (405, "This address knows no such method"),
    "body_slow": (408, "The body came too slowly"),
    "key_in_progress": (409, "The same request is under way"),
    "body_too_large": (413, "The body is larger than the limit"),
    "model_unknown": (422, "No such model is installed"),
    "request_invalid": (422, "The request is not valid"),
    "key_reused": (422, "The Idempotency-Key belongs to another request"),
    "rate_limited": (429, "Too many requests"),
    "internal": (500, "An error that nobody foresaw"),
    "overloaded": (503, "Too much at once"),
}
TABLE = ERRORS | OWN


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})

    type: str = Field(examples=[f"{_TYPE}no_face"], description="`urn:knownface:problem:` and the code.")
    title: str = Field(examples=["No face was found"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["ada.jpg: no face was found: use a photo in which the face is larger"])
    error: str = Field(examples=["no_face"], description="The code, as the command line writes it.")
    request_id: str = Field(examples=["5f2c8e6b9d3a4f10"], description="As in the header X-Request-Id and in the log.")


class RefusedError(Exception):
    """The service itself refuses a request.

    Args:
        code: One of `OWN`.
        detail: One line.
        retry_s: Seconds after which it may go, None where waiting does not help.
    """

    def __init__(self, code: str, detail: str, retry_s: float | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.retry_s = code, detail, retry_s


def document(code: str, detail: str, request_id: str) -> dict[str, Any]:
    """The problem document of a code."""
    status, title = TABLE[code]
    return Problem(
        type=f"{_TYPE}{code}", title=title, status=status, detail=detail, error=code, request_id=request_id
    ).model_dump()


def answer(code: str, detail: str, request_id: str, retry_s: float | None = None, **more: Any) -> Response:
    """The response of a code; `more` goes into the document."""
    status, _ = TABLE[code]
    headers = {} if retry_s is None else {"Retry-After": str(max(1, round(retry_s)))}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer" if code == "key_needed" else 'Bearer error="invalid_token"'
    body = document(code, detail, request_id) | more
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def of_error(error: KnownfaceError, request_id: str) -> Response:
    """The response of a named error."""
    waits = 1.0 if TABLE[error.code][0] == 503 else None
    more = {"problems": list(found)} if (found := getattr(error, "problems", ())) else {}
    return answer(error.code, error.message, request_id, waits, **more)


def request_id_of(request: Request) -> str:
    """The identity of a request, "" before it has one."""
    return str(request.scope.get("request_id", ""))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of these statuses, with every code that has them."""
    said: dict[int | str, dict[str, Any]] = {}
    for status in sorted(set(statuses)):
        codes = [code for code, (its, _) in TABLE.items() if its == status]
        example = document(codes[0], TABLE[codes[0]][1], "5f2c8e6b9d3a4f10")
        said[status] = {
            "model": Problem,
            "description": "; ".join(f"`{code}`: {TABLE[code][1].lower()}" for code in codes),
            "content": {MEDIA_TYPE: {"example": example, "schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return said


#: Any address may answer so.
ALWAYS = (400, 401, 403, 408, 413, 422, 429, 500, 503)
