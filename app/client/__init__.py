"""The library as one object, here or on a server: a script moves from one to the other by changing one line.

    with open_local() as faces:                                        # models and gallery of this machine
    with Client("https://faces.example.org", key="kf_...") as faces:   # those of a server

    protocol     what both can do                  local, local_*      on this machine
    verbs, right_, run_, model_verbs               sync                of a server, from any thread
                 each verb once, as steps          asynchronous        likewise, for asyncio
    core, calls  steps, and what a request is      reading             answers into the library's rows
    retrying     what is sent again, and when      problems            problem documents into its errors
    rows, photos what goes in and out              transport           how a server is reached

Importing it loads no model, no database and no server.
"""

from __future__ import annotations

from app.client.asynchronous import AsyncClient
from app.client.local import Local, open_local
from app.client.photos import PhotoLike
from app.client.protocol import FaceService
from app.client.retrying import Retry
from app.client.rows import (
    CalibrationJob,
    FailedFile,
    Me,
    ModelChange,
    ModelInfo,
    NamedUnknown,
    RunFace,
    RunState,
    Status,
    Unknown,
    UnknownFace,
    UnknownInfo,
)
from app.client.sync import Client

__all__ = [
    "AsyncClient",
    "CalibrationJob",
    "Client",
    "FaceService",
    "FailedFile",
    "Local",
    "Me",
    "ModelChange",
    "ModelInfo",
    "NamedUnknown",
    "PhotoLike",
    "Retry",
    "RunFace",
    "RunState",
    "Status",
    "Unknown",
    "UnknownFace",
    "UnknownInfo",
    "open_local",
]
