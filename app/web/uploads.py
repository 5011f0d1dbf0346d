"""How much uploads may take, of one browser tab and of all together: refused before anything is stored."""

from __future__ import annotations

from collections import Counter

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import runtime

#: Bytes that wait in memory: of one tab, and of all tabs of all people.
OF_ONE, OF_ALL = 320 * 2**20, 1280 * 2**20
_PLACE = "/_stcore/upload_file/"


class UploadLimit:
    """ASGI middleware. It counts what Streamlit keeps, and what is on its way."""

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
        size = int(claimed)
        of_one, of_all = _kept(session)
        if of_one + self._coming[session] + size > OF_ONE or of_all + self._coming.total() + size > OF_ALL:
            await PlainTextResponse("Too much at once", 413)(scope, receive, send)
            return
        self._coming[session] += size
        try:
            await self._app(scope, receive, send)
        finally:
            self._coming[session] -= size
            self._coming += Counter()  # forgets the tabs that are done


def _kept(session: str) -> tuple[int, int]:
    """Bytes of a tab's uploads that are in memory, and of everybody's."""
    storage = runtime.get_instance().uploaded_file_mgr.file_storage  # type: ignore[attr-defined]
    sizes = {tab: sum(len(record.data) for record in list(files.values())) for tab, files in list(storage.items())}
    return sizes.get(session, 0), sum(sizes.values())
