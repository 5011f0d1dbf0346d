"""The server itself, and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    """The server is there."""

    status: str = Field(examples=["ok"])


class Ready(BaseModel):
    """The server can answer."""

    status: str = Field(examples=["ready"])
    model_id: str = Field(examples=["sface.2021dec@1a2b3c4d"])


class Me(BaseModel):
    """Who asks, and what they may do."""

    name: str = Field(examples=["robot"], description="As it stands in the audit log.")
    role: Literal["viewer", "operator", "admin"]


class AuditEntry(BaseModel):
    """An entry of the audit log."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str
    detail: dict[str, Any]
    previous_hash: str
    entry_hash: str


class AuditPage(BaseModel):
    """Entries, oldest first."""

    entries: list[AuditEntry]
    next: int | None = Field(description="Give it as `after` for the next page; null on the last.")


class AuditFinding(BaseModel):
    """One thing that is wrong with the log."""

    kind: str
    entry: int | None = Field(description="The first entry concerned; null where it is the end of the chain.")
    message: str


class AuditEnd(BaseModel):
    """Where the log ends, by its own word: what to keep elsewhere."""

    chain_id: str = Field(description="Which chain of entries.")
    entries: int = Field(examples=[1284])
    last_hash: str = Field(description="`entry_hash` of the last entry; zeros where there is none.")


class AuditVerdict(BaseModel):
    """Whether the log is whole."""

    whole: bool
    entries: int
    end: AuditEnd | None = Field(description="null where it cannot be read.")
    signed_by: str
    findings: list[AuditFinding]
