"""The table of errors is complete, and what the OpenAPI document says of it is true."""

from __future__ import annotations

from pathlib import Path

from app.api import problems
from pipeline import errors
from pipeline.errors import KnownfaceError
from tests.api_server import client_of, made_state


def every(cls: type[KnownfaceError]) -> set[type[KnownfaceError]]:
    return {cls}.union(*(every(sub) for sub in cls.__subclasses__()))


def test_every_error_has_a_status_and_a_title() -> None:
    codes = {cls.code for cls in every(KnownfaceError) if cls.__module__.startswith(f"{errors.__name__}.")}
    assert set(problems.ERRORS) == codes
    assert not codes & set(problems.OWN)
    for code, (status, title) in problems.TABLE.items():
        assert 400 <= status < 600, code
        assert title, code


def test_every_address_documents_its_answers(tmp_path: Path) -> None:
    with client_of(made_state(tmp_path)) as client:
        document = client.get("/openapi.json").json()
    assert len(document["paths"]) >= 20
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            where = f"{method} {path}"
            assert said["description"] or said["summary"], where
            assert {str(status) for status in problems.ALWAYS} <= set(said["responses"]), where
            for status, answer in said["responses"].items():
                if status >= "400":
                    assert set(answer["content"]) == {problems.MEDIA_TYPE}, f"{where} {status}"
            assert ("security" in said) == (path not in {"/healthz", "/readyz"}), where
