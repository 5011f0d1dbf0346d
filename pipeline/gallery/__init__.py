"""The gallery: who is enrolled. The truth is a SQL database; the index is derived from it and disposable.

What is named here is imported when it is first used: whoever wants a row's type needs no database.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.gallery.anchor import Anchor
    from pipeline.gallery.audit import Entry, Note, Scribe
    from pipeline.gallery.audit_check import Finding, Verdict
    from pipeline.gallery.consents import Consent, NewConsent
    from pipeline.gallery.engine import exists, is_missing, label_of
    from pipeline.gallery.gallery import Gallery
    from pipeline.gallery.in_use import InUse, Model
    from pipeline.gallery.index_place import IndexPlace
    from pipeline.gallery.legal_holds import Hold
    from pipeline.gallery.names import normalise
    from pipeline.gallery.records import Enrolled, NewSample, Problem, SampleInfo, SubjectDetail, SubjectInfo
    from pipeline.gallery.retention import Due
    from pipeline.gallery.vault.master import KeyPlaces

__all__ = [
    "Anchor",
    "Consent",
    "Due",
    "Enrolled",
    "Entry",
    "Finding",
    "Gallery",
    "Hold",
    "InUse",
    "IndexPlace",
    "KeyPlaces",
    "Model",
    "NewConsent",
    "NewSample",
    "Note",
    "Problem",
    "SampleInfo",
    "Scribe",
    "SubjectDetail",
    "SubjectInfo",
    "Verdict",
    "exists",
    "is_missing",
    "label_of",
    "normalise",
]

_HOME = {
    "Anchor": "pipeline.gallery.anchor",
    "Consent": "pipeline.gallery.consents",
    "Due": "pipeline.gallery.retention",
    "Enrolled": "pipeline.gallery.records",
    "Entry": "pipeline.gallery.audit",
    "Finding": "pipeline.gallery.audit_check",
    "Gallery": "pipeline.gallery.gallery",
    "Hold": "pipeline.gallery.legal_holds",
    "InUse": "pipeline.gallery.in_use",
    "IndexPlace": "pipeline.gallery.index_place",
    "KeyPlaces": "pipeline.gallery.vault.master",
    "Model": "pipeline.gallery.in_use",
    "NewConsent": "pipeline.gallery.consents",
    "NewSample": "pipeline.gallery.records",
    "Note": "pipeline.gallery.audit",
    "Problem": "pipeline.gallery.records",
    "SampleInfo": "pipeline.gallery.records",
    "Scribe": "pipeline.gallery.audit",
    "SubjectDetail": "pipeline.gallery.records",
    "SubjectInfo": "pipeline.gallery.records",
    "Verdict": "pipeline.gallery.audit_check",
    "exists": "pipeline.gallery.engine",
    "is_missing": "pipeline.gallery.engine",
    "label_of": "pipeline.gallery.engine",
    "normalise": "pipeline.gallery.names",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pipeline.gallery' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
