"""What `knownface web` hands to Streamlit: the app behind its gate, and the pages for logging in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

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

keep_addresses()
keep_in_memory()
app = st.App(
    _HERE / "home.py",
    routes=[*routes(guard(), os.environ.get("KNOWNFACE_WEB_URL", ""), note, refusals()), *files.routes(guard())],
    middleware=[Middleware(Gate, guard=guard()), Middleware(UploadLimit)],
    on_script_error=say_so,
)
