"""What a release is made of fits what the project says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXTRAS: dict[str, list[str]] = {"requirements.lock": [], "requirements-api.lock": ["api"]}


def locked(name: str) -> dict[str, str]:
    """Versions by package, of those that have hashes."""
    pattern = r"^([a-z0-9._-]+)==(\S+) \\\n    --hash=sha256:[0-9a-f]{64}"
    return dict(re.findall(pattern, (ROOT / name).read_text(), re.M))


@pytest.mark.parametrize("name", EXTRAS)
def test_the_lock_file_holds_every_dependency_with_hashes(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [
        line for extra in EXTRAS[name] for line in project["optional-dependencies"][extra]
    ]
    names = {re.split(r"[<>=!;\[ ]", line)[0].lower() for line in wanted}
    assert len(names) > 15
    assert names <= set(locked(name)), "run scripts/lock"


def test_what_both_hold_has_one_version() -> None:
    core, service = locked("requirements.lock"), locked("requirements-api.lock")
    assert {name: service.get(name) for name in core} == core, "run scripts/lock"


@pytest.mark.parametrize("name", EXTRAS)
def test_the_lock_file_names_no_registry(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()
