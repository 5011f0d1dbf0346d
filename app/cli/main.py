"""The `knownface` command. Commands live in files of their own and import what they need when they run."""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app.cli import (
    api,
    audit,
    bench,
    calibrate,
    challenge,
    data,
    demo,
    evaluate,
    explain,
    export,
    gallery,
    identify,
    models,
    policy,
    recognise,
    runs,
    subject,
    train,
    unknown,
    users,
    vault,
    watch_camera,
    web,
)
from app.cli.context import Context, printable, write_json
from app.cli.whole import check_opencv
from pipeline.errors import KnownfaceError
from pipeline.version import __version__

app = typer.Typer(
    name="knownface",
    help="Face recognition that says how sure it is: enrol, verify and identify people in photos.",
    epilog="Global options may stand before or after the command. Exit codes: 0 yes or done, 1 no, 2 usage, 3 error.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(challenge.app, name="challenge")
app.add_typer(gallery.app, name="gallery")
app.add_typer(unknown.app, name="unknown")
app.add_typer(models.app, name="models")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(data.app, name="data")
app.add_typer(runs.app, name="runs")
app.add_typer(users.app, name="users")
app.add_typer(subject.app, name="subject")
app.add_typer(policy.app, name="policy")
app.add_typer(audit.app, name="audit")
app.add_typer(vault.app, name="vault")
recognise.register(app)
identify.register(app)
calibrate.register(app)
explain.register(app)
demo.register(app)
train.register(app)
watch_camera.register(app)
export.register(app)
bench.register(app)
web.register(app)
api.register(app)

_USAGE = 2
_FLAGS = {"--json", "--json-lines", "--quiet"}
_OPTIONS = {"--gallery", "--config"}


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"knownface {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    gallery_location: Annotated[
        str | None,
        typer.Option("--gallery", envvar="KNOWNFACE_GALLERY", help="Folder (or database URL) of the gallery."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Settings file (TOML).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
    json_lines: Annotated[bool, typer.Option("--json-lines", help="Print one JSON object per finished item.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no notes.")] = False,
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Face recognition that says how sure it is."""
    check_opencv()
    ctx.obj = Context(gallery_location, config, as_json, json_lines, quiet)


def hoisted(arguments: Sequence[str]) -> list[str]:
    """Moves global options in front of the command, so that they may stand anywhere before a `--`."""
    front: list[str] = []
    rest: list[str] = []
    queue = list(arguments)
    while queue:
        word = queue.pop(0)
        if word == "--":
            rest += [word, *queue]
            break
        if word in _FLAGS or word.startswith(tuple(f"{option}=" for option in _OPTIONS)):
            front.append(word)
        elif word in _OPTIONS and queue:
            front += [word, queue.pop(0)]
        else:
            rest.append(word)
    return front + rest


def entry() -> NoReturn:
    """The program. Tuned for a quick start and a quick end: `scripts/bench cold`.

    Collecting garbage while modules are imported finds none; pydantic's search for plugins reads every installed
    package; and taking the networks apart before leaving serves nobody: whatever has to last is on the disk by then.
    """
    gc.set_threshold(50_000, 20, 20)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    code = main()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code and never shows a traceback for a named error."""
    if sys.stdout is None:  # closed by whoever called
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the rest of the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file name may hold bytes that are no text
    words = hoisted(sys.argv[1:] if arguments is None else arguments)
    machine = bool({"--json", "--json-lines"} & set(words))
    stdout = sys.stdout
    try:
        code, reason = _run(words)
        if code == _USAGE and machine:
            write_json({"error": "usage", "message": f"the command line is not valid: {reason or 'see --help'}"})
        stdout.flush()
        if sys.stdout is not stdout:  # Click puts a wrapper there when a pipe broke, and calls that a 1
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
    except BrokenPipeError:
        _forget_stdout()
        return 3
    except KnownfaceError as error:
        _report(error.as_dict(), machine=machine)
        return 3
    except OSError as error:  # a full disk, a lost permission: not ours to name better than the system does
        where = f"{error.filename}: " if error.filename else ""
        _report({"error": "system", "message": f"{where}{error.strerror or error}"}, machine=machine)
        return 3
    return code


def _run(words: list[str]) -> tuple[int, str]:
    """The exit code, and why the command line is not valid; "" where it is."""
    try:
        app(args=words, prog_name="knownface")
    except SystemExit as leave:
        # a command line that is not valid ends the program while Typer handles the error that says why
        error = leave.__context__
        if type(error).__name__ == "NoArgsIsHelpError":  # Click's, or Typer's copy of it; its message is the whole help
            return _USAGE, f"a command is missing after `{error.ctx.command_path}`: see --help"  # type: ignore[union-attr]
        message = getattr(error, "format_message", str)
        code = leave.code if isinstance(leave.code, int) else 0 if leave.code is None else _USAGE
        return code, " ".join(message().split())
    return 0, ""


def _forget_stdout() -> None:
    """Nobody reads any more: what is still in the buffer must not raise again when the interpreter ends."""
    with suppress(OSError, ValueError, io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)


def _report(document: dict[str, str], *, machine: bool) -> None:
    if machine:
        with suppress(OSError):  # a full disk or a closed pipe may be the very error that is reported
            write_json(document)
    sys.stderr.write(f"knownface: {printable(document['message'])}\n")
