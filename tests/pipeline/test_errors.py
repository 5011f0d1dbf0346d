"""The tree of errors is the one its docstring draws."""

from __future__ import annotations

import re

from pipeline import errors
from pipeline.errors import DuplicatePhotoError, KnownfaceError, PhotoError


def every(base: type[KnownfaceError]) -> list[type[KnownfaceError]]:
    return [base, *(found for child in base.__subclasses__() for found in every(child))]


def test_codes_are_unique_and_drawn_in_the_docstring() -> None:
    tree = {cls for cls in every(KnownfaceError) if cls.__module__.startswith(f"{errors.__name__}.")}
    assert set(errors.__all__) == {cls.__name__ for cls in tree}
    codes = [cls.code for cls in tree]
    assert len(codes) == len(set(codes))
    drawn = dict(re.findall(r"─ (\w+Error)(?: +([a-z_]+))?", errors.__doc__ or ""))
    assert set(drawn) == {cls.__name__ for cls in tree if cls is not KnownfaceError}
    branches = {cls.__name__ for cls in KnownfaceError.__subclasses__() if cls.__subclasses__()}
    for cls in tree - {KnownfaceError}:
        if cls.__name__ not in branches:
            assert drawn[cls.__name__] == cls.code
        assert re.fullmatch(r"[a-z_]+", cls.code)


def test_the_indent_of_the_docstring_is_the_inheritance() -> None:
    parent, branches = "", {cls.__name__ for cls in KnownfaceError.__subclasses__() if cls.__subclasses__()}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    (│ {3})?[├└]── (\w+)", line):
            cls = getattr(errors, found[2])
            if found[1] is None and found[2] in branches:
                parent = found[2]
            assert issubclass(cls, getattr(errors, parent) if found[1] else KnownfaceError), found[2]


def test_the_json_form() -> None:
    assert PhotoError("a.jpg: is odd").as_dict() == {"error": "photo_error", "message": "a.jpg: is odd"}
    known = DuplicatePhotoError("twice", subject="Ada", sample_id="7")
    assert (known.subject, known.sample_id, known.message) == ("Ada", "7", "twice")
