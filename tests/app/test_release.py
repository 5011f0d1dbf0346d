"""What a release is made of fits what the project says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_lock_file_holds_every_dependency_with_hashes() -> None:
    locked = re.findall(
        r"^([a-z0-9._-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", (ROOT / "requirements.lock").read_text(), re.M
    )
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[<>=!;\[ ]", line)[0].lower() for line in wanted}
    assert len(names) > 15
    assert names <= set(locked), "run scripts/lock"


def test_the_lock_file_names_no_registry() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text()
