"""The gallery: who is enrolled. The truth is a SQL database; the index is derived from it and disposable."""

from pipeline.gallery.anchor import Anchor
from pipeline.gallery.audit import Entry, Note, Scribe
from pipeline.gallery.audit_check import Finding, Verdict
from pipeline.gallery.consents import Consent, Due, Hold, NewConsent
from pipeline.gallery.engine import exists, is_missing, label_of
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.in_use import InUse, Model
from pipeline.gallery.index_place import IndexPlace
from pipeline.gallery.names import normalise
from pipeline.gallery.records import Enrolled, NewSample, Problem, SampleInfo, SubjectDetail, SubjectInfo
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
