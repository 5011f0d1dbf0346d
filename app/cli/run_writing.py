"""What `identify` and `runs report` put beside photos: a folder per person, and XMP sidecars."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import Context

if TYPE_CHECKING:
    from app.runs.output.sort import Sorted
    from app.runs.output.xmp import Sidecars
    from app.runs.records import Run

_SHOWN = 20


class SortHow(StrEnum):
    """How photos get into a person's folder."""

    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    COPY = "copy"


class XmpNaming(StrEnum):
    """What a sidecar is called."""

    FULL = "full"
    STEM = "stem"


SortInto = Annotated[
    Path | None,
    typer.Option("--sort-into", metavar="DIR", help="Put photos into a folder per person in there; nothing is moved."),
]
How = Annotated[SortHow, typer.Option("--sort-how", help="As links to the photos, or as copies.")]
SortUnknown = Annotated[
    bool, typer.Option("--sort-unknown", help="Clusters of unknown faces get folders as well, below _unknown.")
]
WriteXmp = Annotated[
    bool, typer.Option("--write-xmp", help="Write names and face regions into an XMP sidecar beside each photo.")
]
Naming = Annotated[
    XmpNaming, typer.Option("--xmp-naming", help="full: photo.jpg.xmp (digiKam); stem: photo.xmp (Adobe).")
]


@dataclass(frozen=True)
class Beside:
    """The options, as they were given."""

    sort_into: Path | None = None
    sort_how: SortHow = SortHow.SYMLINK
    sort_unknown: bool = False
    write_xmp: bool = False
    xmp_naming: XmpNaming = XmpNaming.FULL

    def check(self) -> None:
        """Refuses options that say nothing.

        Raises:
            BadParameter: One belongs to another that was not given.
        """
        if self.sort_into is None and (self.sort_unknown or self.sort_how != SortHow.SYMLINK):
            raise typer.BadParameter(
                "--sort-how and --sort-unknown say how --sort-into DIR works: name a folder with it"
            )
        if not self.write_xmp and self.xmp_naming != XmpNaming.FULL:
            raise typer.BadParameter("--xmp-naming says how --write-xmp works: give both")

    def prepare(self) -> None:
        """Refuses a folder that cannot be sorted into before anything is done.

        Raises:
            ResultsError: It has files of somebody else's.
        """
        if self.sort_into is not None:
            from app.runs.output.manifest import Manifest

            Manifest.open(self.sort_into.resolve())


def write_beside(context: Context, run: Run, beside: Beside, max_bytes: int) -> tuple[dict[str, Any], bool]:
    """Does it, and says on stderr what could not be done. Where comes into the ledger, for an erasure to find it.

    Returns:
        `sorted` and `sidecars` for the JSON document, and whether anything failed.

    Raises:
        ResultsError: The folder to sort into cannot be used.
    """
    from app.runs.places import note, real
    from pipeline.images import one_line

    document: dict[str, Any] = {}
    failed: list[tuple[str, str]] = []
    if beside.sort_into is not None:
        from app.runs.output.sort import sort_into

        note(run, "sorted", {str(beside.sort_into.resolve()): {}})
        done = sort_into(run, beside.sort_into, beside.sort_how.value, unknown=beside.sort_unknown)
        document["sorted"] = _document(done)
        failed += done.failed
        _say(
            context,
            f"{done.placed:,} placed in {beside.sort_into}, {done.already:,} there, {done.removed:,} taken away",
        )
        for kept in done.kept[:_SHOWN]:
            context.note(
                f"{one_line(kept)}: no longer holds, and was left: it is not what was put there, or the last copy"
            )
    if beside.write_xmp:
        from app.runs.output.xmp import planned, write_xmp

        note(run, "sidecar", {real(path): {} for path in planned(run, beside.xmp_naming.value)})
        sidecars = write_xmp(run, naming=beside.xmp_naming.value, max_bytes=max_bytes)
        document["sidecars"] = _document(sidecars)
        failed += sidecars.failed
        said = f"{sidecars.written:,} sidecars written, {sidecars.unchanged:,} unchanged, {sidecars.removed:,} removed"
        named = f"; {sidecars.theirs:,} faces keep the name another program gave" if sidecars.theirs else ""
        _say(context, said + named)
    for _, message in failed[:_SHOWN]:
        context.note(message)
    if len(failed) > _SHOWN:
        context.note(f"and {len(failed) - _SHOWN:,} more")
    return document, bool(failed)


def _say(context: Context, text: str) -> None:
    if not context.machine:
        context.say(text)


def _document(done: Sorted | Sidecars) -> dict[str, Any]:
    return asdict(done) | {"failed": [{"photo": path, "message": message} for path, message in done.failed]}
