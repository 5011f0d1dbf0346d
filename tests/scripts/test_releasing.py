"""A release's version and changelog, what may be committed, and the files that GitHub and pre-commit read."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from scripts.committed import LARGEST, faults
from scripts.releasing import ReleaseError, bumped, check, verdict, version_of
from tests.doc_blocks import REPOSITORY

LOG = """# Changelog

## [Unreleased]

### Added

- Much.

## [0.1.0] - 2026-01-05

### Fixed

- Something.
"""


def test_the_changelog_of_this_repository_can_be_released() -> None:
    today = date(2026, 11, 23)
    text = bumped((REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"), "99.0.0", today)
    assert check(text, "99.0.0") == today
    assert version_of((REPOSITORY / "pipeline" / "version.py").read_text(encoding="utf-8"))


def test_a_version_moves_what_was_unreleased_under_itself() -> None:
    text = bumped(LOG, "0.2.0", date(2026, 2, 1))
    assert "## [Unreleased]\n\n## [0.2.0] - 2026-02-01\n\n### Added\n\n- Much.\n\n## [0.1.0]" in text
    assert check(text, "0.2.0") == date(2026, 2, 1)
    assert check(text, "0.1.0") == date(2026, 1, 5)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("## [Unreleased]\n", "", "the first section"),
        ("## [0.1.0] - 2026-01-05", "## [0.1.0]", "is not"),
        ("## [0.1.0] - 2026-01-05", "## [0.1.0] - 2026-13-05", "is not"),
        ("### Fixed", "### Mended", "is none of"),
        ("## [0.1.0] -", "## [0.0.9] -", "no section for 0.1.0"),
        ("### Fixed\n\n- Something.\n", "", "nothing stands under"),
        ("- Something.\n", "- Something.\n\n## [0.0.9] - 2026-02-05\n", "newest version"),
    ],
)
def test_a_changelog_that_does_not_fit(old: str, new: str, said: str) -> None:
    with pytest.raises(ReleaseError, match=said):
        check(LOG.replace(old, new), "0.1.0")


@pytest.mark.parametrize("version", ["0.1.0", "1.0", "v1.0.0", "1.0.0-beta"])
def test_a_version_that_cannot_be(version: str) -> None:
    with pytest.raises(ReleaseError):
        bumped(LOG, version, date(2026, 2, 1))


def test_an_audit_that_could_not_ask_is_none() -> None:
    fine, asked = {"name": "a", "version": "1", "vulns": []}, {"name": "b", "version": "2", "vulns": [{"id": "X-1"}]}
    skipped = {"name": "c", "skip_reason": "Dependency not found"}
    assert verdict({"dependencies": [fine]})[0] == 0
    assert verdict({"dependencies": [fine, asked, skipped]}) == (
        1,
        "known vulnerabilities in b 2: scripts/lock --upgrade",
    )
    assert verdict({"dependencies": [fine, skipped]}) == (3, "NOT AUDITED: 1 of 2 packages could not be asked about")
    assert verdict({"dependencies": []})[0] == 3


def test_what_may_not_be_committed(tmp_path: Path) -> None:
    names = [
        "docs/images/page.png",
        "docs/page.md",
        "tests/ada.JPG",
        "weights/net.onnx",
        "home/key.pem",
        "big.txt",
        "gone.jpg",
    ]
    for name in names[:-1]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * (LARGEST + 1 if name == "big.txt" else 1))
    found = faults(tmp_path, names)
    assert [line.split(":")[0] for line in found] == ["tests/ada.JPG", "weights/net.onnx", "home/key.pem", "big.txt"]


def test_templates_and_hooks_can_be_read() -> None:
    for file in (REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"):
        form = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert form["name"], file.name
        assert form["description"], file.name
        fields = [part for part in form["body"] if part["type"] != "markdown"]
        assert len({part["id"] for part in fields}) == len(fields) > 0
    (local,) = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert local["repo"] == "local", "hooks of others would be fetched"
    checked = (REPOSITORY / "scripts" / "check").read_text(encoding="utf-8")
    for hook in local["hooks"]:
        tool = hook["entry"].removeprefix(".venv/bin/").removeprefix("python -m ").split()[0]
        assert tool in checked, f"{tool} is no check of CI"
