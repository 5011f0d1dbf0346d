"""How much uploads may take, of one browser tab and of all together; and that they are in memory only."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter

from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime

#: Bytes that wait in memory: of one tab, and of all tabs of all people.
OF_ONE, OF_ALL = 320 * 2**20, 1280 * 2**20
#: Seconds of silence in the middle of an upload.
SILENCE_S = 30.0
_PLACE = "/_stcore/upload_file/"


class _RefusedError(Exception):
    """An upload ends in the middle.

    Args:
        status: Of the answer.
        said: In it.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.answer = PlainTextResponse(said, status)


def keep_in_memory() -> None:
    """Has uploads read in memory: Starlette would write what is larger than a megabyte into a temporary file."""
    MultiPartParser.spool_max_size = sys.maxsize


class UploadLimit:
    """ASGI middleware. It counts what Streamlit keeps, and what has come of uploads that are on their way."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._coming: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets an upload pass, or answers it with 413."""
        if scope["type"] != "http" or scope["method"] != "PUT" or not scope["path"].startswith(_PLACE):
            await self._app(scope, receive, send)
            return
        session = scope["path"][len(_PLACE) :].split("/")[0]
        claimed = Request(scope).headers.get("content-length", "")
        if not claimed.isdecimal():
            await PlainTextResponse("How large?", 411)(scope, receive, send)
            return
        came, done = 0, False

        async def counted() -> Message:
            """What was announced does not count: who announces much, and sends it slowly, would keep others out."""
            nonlocal came, done
            if done:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), SILENCE_S)
            except TimeoutError as error:
                raise _RefusedError(408, "Too slow") from error
            part, done = len(message.get("body", b"")), not message.get("more_body", False)
            came += part
            self._coming[session] += part
            self._require_room(session, 0)
            return message

        try:
            self._require_room(session, int(claimed))
            await self._app(scope, counted, send)
        except _RefusedError as refusal:
            await refusal.answer(scope, receive, send)
        finally:
            self._coming[session] -= came
            self._coming += Counter()  # forgets the tabs that are done

    def _require_room(self, session: str, more: int) -> None:
        of_one, of_all = _kept(session)
        if of_one + self._coming[session] + more > OF_ONE or of_all + self._coming.total() + more > OF_ALL:
            raise _RefusedError(413, "Too much at once")


def _kept(session: str) -> tuple[int, int]:
    """Bytes of a tab's uploads that are in memory, and of everybody's."""
    storage = runtime.get_instance().uploaded_file_mgr.file_storage  # type: ignore[attr-defined]
    sizes = {tab: sum(len(record.data) for record in list(files.values())) for tab, files in list(storage.items())}
    return sizes.get(session, 0), sum(sizes.values())
