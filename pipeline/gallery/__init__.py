"""The gallery: who is enrolled. The truth is a SQL database; the index is derived from it and disposable."""

from pipeline.gallery.gallery import Gallery
from pipeline.gallery.index_place import IndexPlace
from pipeline.gallery.names import normalise
from pipeline.gallery.records import NewSample, Problem, SampleInfo, SubjectDetail, SubjectInfo

__all__ = ["Gallery", "IndexPlace", "NewSample", "Problem", "SampleInfo", "SubjectDetail", "SubjectInfo", "normalise"]
