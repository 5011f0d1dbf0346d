"""docs/api-reference.md is what `python -m scripts.api_reference` writes."""

from __future__ import annotations

from scripts.api_reference import FILE, reference


def test_the_reference_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run: python -m scripts.api_reference"
