"""What `knownface web` hands to Streamlit: the app behind its gate, and the pages for logging in."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

_HERE = Path(__file__).resolve().parent
_ROOT = str(_HERE.parent.parent)
if _ROOT not in sys.path:  # a clone that is not installed; at the end, so that nothing here hides another package
    sys.path.append(_ROOT)

from app.web import files  # noqa: E402
from app.web.addresses import keep_addresses  # noqa: E402
from app.web.diary import note, refusals  # noqa: E402
from app.web.gate import Gate  # noqa: E402
from app.web.guard import guard  # noqa: E402
from app.web.login import routes  # noqa: E402
from app.web.mishap import say_so  # noqa: E402
from app.web.uploads import UploadLimit, keep_in_memory  # noqa: E402

_refused = refusals()


@asynccontextmanager
async def _lifespan(_app: Any) -> AsyncIterator[None]:
    """Writes down, when the server is stopped, the refused log-ins that were only counted so far."""
    yield
    _refused.flush()


keep_addresses()
keep_in_memory()
app = st.App(
    _HERE / "home.py",
    lifespan=_lifespan,
    routes=[*routes(guard(), os.environ.get("KNOWNFACE_WEB_URL", ""), note, _refused), *files.routes(guard())],
    middleware=[Middleware(Gate, guard=guard()), Middleware(UploadLimit)],
    on_script_error=say_so,
)
