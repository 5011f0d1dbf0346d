"""Photos that come as parts of a form: held in memory, never on disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import UploadFile
from fastapi.routing import APIRoute
from pydantic import AfterValidator
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from app.api.gate import SLASH
from app.api.problems import RefusedError
from app.photos import Upload

#: A name in an address; a slash in it is sent as %2F.
InPath = Annotated[str, AfterValidator(lambda text: text.replace(SLASH, "/"))]


class _InMemory(MultiPartParser):
    """What Starlette would put into a file from a megabyte on stays in memory; the gate counts how much that is."""

    spool_max_size = sys.maxsize


class _PhotoRequest(Request):
    """A request whose form is read in memory."""

    async def _get_form(
        self, *, max_files: float = 1000, max_fields: float = 1000, max_part_size: int = 2**20
    ) -> FormData:
        if self._form is None:
            kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "multipart/form-data":
                raise RefusedError("body_unreadable", "send the photos as multipart/form-data")
            parser = _InMemory(
                self.headers, self.stream(), max_files=max_files, max_fields=max_fields, max_part_size=max_part_size
            )
            try:
                self._form = await parser.parse()
            except MultiPartException as error:
                raise HTTPException(400, error.message) from error
        return self._form


class PhotoRoute(APIRoute):
    """A route that takes photos."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, by a request that reads its form in memory."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(_PhotoRequest(request.scope, request.receive))

        return handle


def uploads(files: list[UploadFile], most: int) -> list[Upload]:
    """The photos.

    Raises:
        RefusedError: There are too many.
    """
    if len(files) > most:
        raise RefusedError("body_too_large", f"at most {most} photos at once: send fewer")
    return [Upload(shown(file), file.file.read()) for file in files]


def shown(file: UploadFile) -> str:
    """What a photo is called in results: the last part of its name, on one line."""
    from pipeline.images import one_line

    return one_line((file.filename or "photo").replace("\\", "/").rpartition("/")[2][:255]) or "photo"
