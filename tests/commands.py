"""Commands run in this process, as the tests of the command line see them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from app.cli.main import main

#: Who is enrolled in a gallery of the sample photos.
PEOPLE = ["Barack Obama", "Emmanuel Macron", "Jacinda Ardern", "Joe Biden"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """stdout as exactly one JSON document."""
        return json.loads(self.out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))

    @property
    def lines(self) -> list[Any]:
        """stdout as one JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Cli = Callable[..., Result]


def runner(capsys: pytest.CaptureFixture[str], *first: object) -> Cli:
    """Runs `knownface` with the arguments `first` and those it is called with; no command may show a traceback."""

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in (*first, *arguments)])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Result(code, out, err)

    return run
