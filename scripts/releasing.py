"""What a release says of itself: `python -m scripts.releasing check | bump VERSION | audit FILE`.

Its version stands in pipeline/version.py and CHANGELOG.md; FILE is what pip-audit wrote.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
_VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)
_NUMBER = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
#: The kinds of change that Keep a Changelog knows.
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


class ReleaseError(Exception):
    """The version and the changelog do not fit together; the message says what to do."""


def version_of(text: str) -> str:
    """The version in the text of pipeline/version.py."""
    found = _VERSION.search(text)
    if found is None or not _NUMBER.fullmatch(found[1]):
        raise ReleaseError(
            "pipeline/version.py: __version__ is not MAJOR.MINOR.PATCH, with a1, b1 or rc1 behind it at most"
        )
    return found[1]


def check(changelog: str, version: str) -> date:
    """Holds the changelog against Keep a Changelog, and looks for the version in it.

    Returns:
        The day of the release.

    Raises:
        ReleaseError: There is no `## [Unreleased]` on top, a section is not `## [VERSION] - YYYY-MM-DD`, they are
            not in order, a kind of change is none, or the version is missing or empty.
    """
    heads = _SECTION.findall(changelog)
    if heads[:1] != ["[Unreleased]"]:
        raise ReleaseError("CHANGELOG.md: the first section has to be `## [Unreleased]`")
    days: dict[str, date] = {}
    for head in heads[1:]:
        number, _, day = head.partition(" - ")
        try:
            days[number.strip("[]")] = date.fromisoformat(day)
        except ValueError as error:
            raise ReleaseError(f"CHANGELOG.md: `## {head}` is not `## [VERSION] - YYYY-MM-DD`") from error
    if list(days.values()) != sorted(days.values(), reverse=True):
        raise ReleaseError("CHANGELOG.md: the newest version has to stand first")
    if wrong := [kind for kind in re.findall(r"^### (.+)$", changelog, re.MULTILINE) if kind not in KINDS]:
        raise ReleaseError(f"CHANGELOG.md: `### {wrong[0]}` is none of {', '.join(KINDS)}")
    if version not in days:
        raise ReleaseError(f"CHANGELOG.md has no section for {version}: run `scripts/release --bump {version}`")
    if not changelog.partition(f"## [{version}] - ")[2].partition("\n## ")[0].partition("\n")[2].strip():
        raise ReleaseError(f"CHANGELOG.md: nothing stands under {version}")
    return days[version]


def bumped(changelog: str, version: str, day: date) -> str:
    """The changelog with what was unreleased under a version of its own, and an empty `## [Unreleased]` above it.

    Raises:
        ReleaseError: The version is none, or is there already.
    """
    if not _NUMBER.fullmatch(version):
        raise ReleaseError(f"{version} is not MAJOR.MINOR.PATCH, with a1, b1 or rc1 behind it at most")
    if f"\n## [{version}] - " in changelog:
        raise ReleaseError(f"CHANGELOG.md has a section for {version} already")
    return changelog.replace("## [Unreleased]\n", f"## [Unreleased]\n\n## [{version}] - {day.isoformat()}\n", 1)


def verdict(report: dict[str, Any]) -> tuple[int, str]:
    """What pip-audit's JSON says, in an exit code and a sentence.

    Where the index knows nothing of vulnerabilities pip-audit skips every package and still ends with 0, so that is
    told apart: 0 all were asked about and none is known, 1 some are known, 3 some could not be asked about.
    """
    packages = report["dependencies"]
    known = [f"{each['name']} {each['version']}" for each in packages if each.get("vulns")]
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    if known:
        return 1, f"known vulnerabilities in {', '.join(known)}: scripts/lock --upgrade"
    if skipped or not packages:
        return 3, f"NOT AUDITED: {len(skipped)} of {len(packages)} packages could not be asked about"
    return 0, f"no vulnerability is known in {len(packages)} packages"


def main(arguments: list[str]) -> int:
    """Checks, or writes both files."""
    if arguments[:1] == ["audit"] and len(arguments) == 2:
        code, said = verdict(json.loads(Path(arguments[1]).read_text(encoding="utf-8")))
        print(f"release: {said}")
        return code
    number, log = _ROOT / "pipeline" / "version.py", _ROOT / "CHANGELOG.md"
    text, changelog = number.read_text(encoding="utf-8"), log.read_text(encoding="utf-8")
    try:
        if arguments[:1] == ["bump"] and len(arguments) == 2:
            changelog = bumped(changelog, arguments[1], datetime.now(UTC).date())
            text = _VERSION.sub(f'__version__ = "{arguments[1]}"', text)
            check(changelog, version_of(text))
            log.write_text(changelog, encoding="utf-8")
            number.write_text(text, encoding="utf-8")
        elif arguments != ["check"]:
            raise ReleaseError("usage: python -m scripts.releasing check | bump VERSION | audit FILE")
        version = version_of(text)
        print(f"{version} of {check(changelog, version)}")
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
