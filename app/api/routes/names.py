"""The name of a subject in an address."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from app.api.forms import InPath

SubjectName = Annotated[
    InPath, Path(description="The subject's name; a slash in it is sent as `%2F`.", examples=["Ada Lovelace"])
]
