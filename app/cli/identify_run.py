"""`knownface identify` with a ledger: what is done is kept, an interruption costs nothing, and files are written."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer

from app.cli.context import Context, dumps
from app.cli.run_progress import RunProgress
from app.cli.run_report import show_run
from app.cli.run_writing import Beside, write_beside
from app.runs.documents import error_documents, face_documents
from app.runs.output import FORMATS, Format
from app.runs.output.again import write_and_note
from app.runs.records import Run
from app.runs.session import Engine, Plan, Session, Standing
from app.runs.walk import Chosen
from app.runs.work import Batch
from app.services import Services

_THROW_AWAY = "result"
INTERRUPTED = 130


@dataclass(frozen=True)
class Wanted:
    """The options of the command, as they were given."""

    run: str | None = None
    out: Path | None = None
    formats: str | None = None
    assets: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    watch: bool = False
    allow_repeats: bool = False
    beside: Beside = field(default_factory=Beside)
    engine: Engine = "local"
    replace_paths: bool = False


def identify_run(context: Context, paths: Sequence[str], wanted: Wanted) -> None:
    """Runs; leaves with 3 where some files could not be used, and with 130 after Ctrl-C."""
    formats = wanted_formats(wanted.formats, wanted.out)
    if wanted.assets and wanted.out is None:
        raise typer.BadParameter("--assets says how the report is written: name a folder with --out")
    wanted.beside.prepare()
    context.note_no_gallery()
    with ExitStack() as stack:
        services = stack.enter_context(closing(context.services(reading=True)))
        home = None if wanted.run is not None else Path(stack.enter_context(TemporaryDirectory(prefix="knownface-")))
        teller = stack.enter_context(closing(_Teller(context, wanted, formats, services)))
        try:
            with Session(services, _plan(paths, wanted, home), teller) as session:
                _notes(services, teller)
                session.once()
                if wanted.watch:
                    with suppress(KeyboardInterrupt):
                        session.watch()
        except KeyboardInterrupt:
            teller.close()
            _interrupted(context, wanted)
        teller.close()
        failed = teller.finish(session.run)
    if failed:
        raise typer.Exit(3)


def wanted_formats(formats: str | None, out: Path | None) -> tuple[Format, ...]:
    """What to write.

    Raises:
        BadParameter: One is not known, or there is no folder to write into.
    """
    if formats is None:
        return FORMATS if out else ()
    if out is None:
        raise typer.BadParameter("--format says what is written: name a folder with --out")
    named = [word.strip().lower() for word in formats.split(",")]
    if unknown := [word for word in named if word not in FORMATS]:
        raise typer.BadParameter(f"--format: there is no {', '.join(unknown)}: name some of {','.join(FORMATS)}")
    return tuple(kind for kind in FORMATS if kind in named)


def _plan(paths: Sequence[str], wanted: Wanted, home: Path | None) -> Plan:
    written = (wanted.out, wanted.beside.sort_into)
    skip = frozenset(os.path.abspath(folder) for folder in written if folder)  # noqa: PTH100 - links stay links
    roots = tuple(os.path.abspath(path) for path in paths)  # noqa: PTH100
    chosen = Chosen(wanted.include, wanted.exclude, skip)
    name = _THROW_AWAY if wanted.run is None else wanted.run
    return Plan(name, roots, chosen, wanted.allow_repeats, home, wanted.engine, wanted.replace_paths)


def _notes(services: Services, teller: _Teller) -> None:
    if not len(services.gallery):
        teller.note("nobody is enrolled in this gallery, so every face is unknown: knownface enrol SUBJECT PHOTO...")
        return
    for note in filter(None, (services.stages_note(), services.score_note())):
        teller.note(note)


def _interrupted(context: Context, wanted: Wanted) -> None:
    """Says how to go on, and leaves."""
    if wanted.run:
        said = "interrupted; what is done is kept: the same command goes on from there"
    else:
        said = "interrupted, and nothing is kept: with --run NAME the same command would go on"
    if context.json:
        context.emit({"error": "interrupted", "message": said})
    context.note(said)
    raise typer.Exit(INTERRUPTED)


class _Teller:
    """Tells how the run goes: progress on stderr, JSON lines on stdout, and the files that are wanted."""

    def __init__(self, context: Context, wanted: Wanted, formats: tuple[Format, ...], services: Services) -> None:
        self._context, self._wanted, self._formats, self._services = context, wanted, formats, services
        self._progress = RunProgress(context)
        self._written: list[Path] = []
        self._is_first = True

    def close(self) -> None:
        self._progress.close()

    def note(self, text: str) -> None:
        self._progress.note(text)

    def standing(self, standing: Standing) -> None:
        self._progress.show(standing)

    def ready(self, run: Run) -> None:
        """With --json-lines: what was finished before, so that every call prints the whole result."""
        if self._context.json_lines and self._is_first:
            for document in chain(face_documents(run), error_documents(run)):
                self._line(document)
        self._is_first = False

    def committed(self, run: Run, batch: Batch) -> None:
        if self._context.json_lines:
            paths = [one.path for one in batch.done]
            among, contents = set(paths), {one.sha256: None for one in batch.done if one.sha256}
            for document in face_documents(run, list(contents)):
                if document["photo"] in among:
                    self._line(document)
            for document in error_documents(run, paths):
                self._line(document)

    def _line(self, document: dict[str, Any]) -> None:
        """A line without the cluster: who is alike is known only when everything is done."""
        self._context.emit_line({key: value for key, value in document.items() if key != "cluster"})

    def decided(self, run: Run) -> None:
        if self._wanted.out is not None:
            lent = self._services.gallery.picture
            out, assets = self._wanted.out, self._wanted.assets
            self._written = write_and_note(run, out, self._formats, assets=assets, portraits=lent)

    def finish(self, run: Run) -> bool:
        """Prints the result and writes what belongs beside photos; returns whether some files could not be used."""
        summary = run.summary()
        if not self._context.machine:
            show_run(self._context, run, summary, self._written)
            if self._wanted.run and summary["decisions"].get("unknown"):
                self._context.note("who the unknown faces are, in clusters: knownface unknown list")
        beside, failed = write_beside(self._context, run, self._wanted.beside, self._services.settings.max_bytes)
        if self._context.json:
            self._document(run, summary | beside)
        return failed or bool(summary["failed"])

    def _document(self, run: Run, summary: dict[str, Any]) -> None:
        """One JSON document, written as it is read: it may be larger than what fits in memory."""
        for start, documents in (('{"faces": [', face_documents(run)), ('\n], "errors": [', error_documents(run))):
            sys.stdout.write(start)
            for number, document in enumerate(documents):
                sys.stdout.write((",\n" if number else "\n") + dumps(document))
        about = {"name": self._wanted.run, **summary, "written": [str(file) for file in self._written]}
        sys.stdout.write('\n], "run": ' + dumps(about) + "}\n")
        sys.stdout.flush()
