"""What every command gets: settings, and how to print."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from app.services import Services
    from pipeline.config import Settings
    from pipeline.gallery.vault.files import FileKeys
    from pipeline.loading import Expect

Item = TypeVar("Item")
_WIDTH_OF_A_PIPE = 240


@dataclass
class Context:
    """Global options, and output that keeps data on stdout and everything else on stderr.

    Attributes:
        gallery: `--gallery`, or None.
        config: `--config`, or None.
        json: Print exactly one JSON document.
        json_lines: Print one JSON object per finished item.
        quiet: No progress and no notes.
    """

    gallery: str | None = None
    config: Path | None = None
    json: bool = False
    json_lines: bool = False
    quiet: bool = False
    _settings: Settings | None = field(default=None, repr=False)

    @property
    def settings(self) -> Settings:
        """The settings in force, read once."""
        if self._settings is None:
            from pipeline.config import Settings

            self._settings = Settings.load(self.config, gallery=self.gallery)
        return self._settings

    @property
    def machine(self) -> bool:
        """Whether a program reads stdout."""
        return self.json or self.json_lines

    @property
    def file_keys(self) -> FileKeys:
        """Where runs get their key from, if the gallery is encrypted; for who needs no services."""
        from pipeline.gallery.vault.files import FileKeys

        return FileKeys.of(self.settings)

    def services(self, expect: Expect = "many", *, reading: bool = False) -> Services:
        """Recognizer and gallery, built when first used; `few` photos start fast, `many` run fast.

        One that is only for `reading` makes no gallery, and has to be closed.
        """
        from pipeline.build import start_loading

        stack = start_loading(self.settings, expect) if expect == "few" else None  # goes on during the next import
        from app.services import Services

        return Services(self.settings, expect, stack, reading)

    def write_down(self, action: str, target: str, detail: Mapping[str, Any] | None = None) -> None:
        """Writes into the audit log of the gallery, if there is one, what was done beside it; says where it cannot."""
        from contextlib import closing

        from pipeline.errors import KnownfaceError

        with closing(self.services(reading=True)) as services:
            try:
                if services.gallery_is_there():
                    services.gallery.record(action, target, detail or {})
            except KnownfaceError as error:
                self.note(f"this is done, but does not stand in the audit log: {error}")

    def note_no_gallery(self) -> None:
        """Says so where a gallery was named that is not there, and none is made."""
        location = self.settings.gallery
        if location and "://" not in location and not Path(location).exists():
            self.note(f"{location}: there is no gallery there, so nobody is enrolled; none was made")

    def note_new_gallery(self) -> None:
        """Says so where a gallery was named that is not there: it may be a slip of the pen."""
        location = self.settings.gallery
        if location and "://" not in location and not Path(location).exists():
            self.note(f"{location}: there was no gallery there, so a new, empty one is made")

    @property
    def may_ask(self) -> bool:
        """Whether somebody sits there: stdin and stderr are a terminal, and no program reads stdout."""
        if self.machine or sys.stdin is None or sys.stdin.closed:
            return False
        return sys.stdin.isatty() and sys.stderr.isatty()

    def confirm(self, question: str) -> None:
        """Asks before something is destroyed; leaves with 1 unless the answer is yes."""
        import typer

        if not typer.confirm(printable(question), err=True):
            self.note("nothing was changed")
            raise typer.Exit(1)

    def emit(self, document: Any) -> None:
        """Prints one JSON document on stdout."""
        write_json(document, indent=None if self.json_lines else 2)

    def emit_line(self, document: Any) -> None:
        """With --json-lines: prints one JSON object on a line of its own, at once."""
        if self.json_lines:
            write_json(document, indent=None)

    def say(self, text: str) -> None:
        """A line for people on stdout; what cannot be printed in it is escaped."""
        sys.stdout.write(printable(text) + "\n")

    def note(self, text: str) -> None:
        """A line for people, on stderr, unless --quiet."""
        if not self.quiet:
            sys.stderr.write(printable(text) + "\n")
            sys.stderr.flush()

    def console(self, *, stderr: bool = False) -> Console:
        """A rich console that shows names as they are: no markup, no emoji codes."""
        from rich.console import Console

        terminal = (sys.stderr if stderr else sys.stdout).isatty()
        width = None if terminal else _WIDTH_OF_A_PIPE
        return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=not terminal, width=width)

    def progress(self, items: Iterable[Item], total: int | None, what: str) -> Iterator[Item]:
        """Passes items through and shows how far they are: a bar on a terminal, plain lines elsewhere."""
        if self.quiet:
            yield from items
        elif sys.stderr.isatty():
            from rich.progress import track

            yield from track(items, description=what, total=total, console=self.console(stderr=True), transient=True)
        else:
            yield from self._plain_progress(items, total, what)

    def _plain_progress(self, items: Iterable[Item], total: int | None, what: str) -> Iterator[Item]:
        import time

        last = time.monotonic()
        for done, item in enumerate(items, 1):
            yield item
            if time.monotonic() - last >= 10:
                last = time.monotonic()
                self.note(f"{what}: {done}" + (f" of {total}" if total else ""))


def printable(text: str) -> str:
    """The text with control characters escaped, so that a file name cannot move the cursor or forge a line."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)


def cell(content: str) -> Text:
    """A cell of a table without markup, on one line, in which nothing can move the cursor."""
    from rich.text import Text

    return Text(printable(content).replace("\n", "\\n"))


def write_json(document: Any, *, indent: int | None = None) -> None:
    """One JSON document on stdout, flushed; escaped to ASCII where stdout is not UTF-8."""
    sys.stdout.write(dumps(document, indent=indent) + "\n")
    sys.stdout.flush()


def dumps(document: Any, *, indent: int | None = None) -> str:
    """The document as it goes to stdout; escaped to ASCII where that is not UTF-8."""
    ascii_only = (sys.stdout.encoding or "ascii").lower().replace("-", "") != "utf8"
    return json.dumps(document, ensure_ascii=ascii_only, indent=indent)
