"""`knownface vault ...`."""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import Context
from pipeline.counting import counted

if TYPE_CHECKING:
    from app.vaults import KeyPlace
    from pipeline.gallery.vault.master import MasterKey

app = typer.Typer(help="Encryption of the gallery at rest: init, rotate, status.", no_args_is_help=True)

KeyFile = Annotated[
    Path | None, typer.Option("--key-file", help="Make a key and write it into this new file, not in the gallery.")
]
Keyring = Annotated[bool, typer.Option("--keyring", help="Make a key and put it into the system's keyring.")]
ShowKey = Annotated[bool, typer.Option("--show-key", help="Make a key and print it, once.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; only a terminal is asked anyway.")]
_LOST = "who loses the key loses the gallery: there is no way back without it, and backups need it too"


@app.command()
def init(
    ctx: typer.Context, key_file: KeyFile = None, keyring: Keyring = False, show_key: ShowKey = False, yes: Yes = False
) -> None:
    """Encrypt the gallery: names, photos' paths, crops, templates, index files.

    Without an option the key is the one that KNOWNFACE_VAULT_KEY or the settings name. Run it again where it was
    interrupted.
    """
    from app.cli.models_switch import watched

    context: Context = ctx.obj
    place = _place(context, key_file, keyring, show_key)
    context.note_new_gallery()
    context.note(_LOST)
    if context.may_ask and not yes:
        context.confirm(f"encrypt the gallery {context.settings.gallery_location}?")
    # not only for reading: where there is none yet, one is made and begins encrypted, not a stand-in that goes again
    with closing(context.services()) as services, watched(context, "sealing") as told:
        key = services.vault_init(place, told)
    _tell(context, place, key, "the gallery is encrypted")


@app.command()
def rotate(
    ctx: typer.Context, key_file: KeyFile = None, keyring: Keyring = False, show_key: ShowKey = False, yes: Yes = False
) -> None:
    """Encrypt everything under a new data key, while others go on.

    With an option also the key that opens the gallery is a new one, and the old one only opens older backups. Run it
    again, without an option, where it was interrupted.
    """
    from app.cli.models_switch import watched

    context: Context = ctx.obj
    place = _place(context, key_file, keyring, show_key)
    if place is not None:
        context.note(_LOST)
        if context.may_ask and not yes:
            context.confirm(f"give the gallery {context.settings.gallery_location} a new key?")
    with closing(context.services(reading=True)) as services, watched(context, "sealing") as told:
        key = services.vault_rotate(place, told)
    _tell(context, place, key, "everything is encrypted under a new data key")


@app.command()
def status(ctx: typer.Context) -> None:
    """Say whether the gallery is encrypted, and which key it needs. It takes no key. Exit code 1: not wholly."""
    from app.vault_files import former_files, open_files
    from app.vaults import vaulted
    from pipeline.gallery.vault.status import status_of

    context: Context = ctx.obj
    found = status_of(context.settings.gallery_location)
    now, home = vaulted(found.vault), context.settings.home
    waiting = [] if now is None else open_files(home, now)
    former = [] if now is None else former_files(home, now)
    if context.machine:
        context.emit(found.as_dict() | ({} if now is None else {"open_files": waiting, "former_files": former}))
    elif found.vault is None:
        context.say("the gallery is not encrypted")
    else:
        context.say(f"{found.vault.state}: needs the key {found.vault.master_id}, data key {found.vault.key_id}")
        if found.vault.state != "on":
            command = "init" if found.vault.state == "encrypting" else "rotate"
            context.say(f"not under that key yet: {counted(found.waiting, 'row')}: run `knownface vault {command}`")
        if waiting:
            context.say(f"not encrypted yet: {', '.join(waiting)}: run `knownface vault init` once more")
        if former:
            context.say(
                f"{len(former)} files of the data folder are under a former key ({', '.join(former)}): run "
                "`knownface vault rotate` once more"
            )
        if count := len(found.vault.former_files_ids):
            context.say(f"{count} former keys of files are kept: `knownface vault drop` drops them")
    whole = found.vault is not None and found.vault.state == "on" and not waiting and not former
    raise typer.Exit(0 if whole else 1)


@app.command()
def drop(ctx: typer.Context, yes: Yes = False) -> None:
    """Drop the keys that runs, unknown faces and caches were encrypted with before the last rotation.

    A data folder elsewhere that belongs to the gallery, and was not rotated, is not readable afterwards.
    """
    context: Context = ctx.obj
    if context.may_ask and not yes:
        context.confirm("drop former keys of files? A data folder elsewhere that still needs them is lost")
    with closing(context.services(reading=True)) as services:
        gone = services.vault_drop()
    context.emit({"dropped": gone}) if context.machine else context.say(f"dropped: {gone} former keys of files")


def _place(context: Context, file: Path | None, keyring: bool, shown: bool) -> KeyPlace | None:
    from app.vaults import KeyPlace

    if not (file or keyring or shown):
        return None
    if (file is not None) + keyring + shown > 1:
        raise typer.BadParameter("one of --key-file, --keyring and --show-key")
    return KeyPlace(file, keyring, partial(_show, context) if shown else None)


def _show(context: Context, key: MasterKey) -> None:
    """Prints a key before it is used: who is interrupted afterwards needs it to go on."""
    if context.machine:
        context.emit({"master_key": key.id, "key": key.text})
    else:
        context.say(f"KNOWNFACE_VAULT_KEY={key.text}")
        sys.stdout.flush()


def _tell(context: Context, place: KeyPlace | None, key: MasterKey, done: str) -> None:
    if context.machine:
        if place is None or place.show is None:
            context.emit({"state": "on", "master_key": key.id})
        return
    context.say(f"{done}; it needs the key {key.id}")
    if place is not None and place.file is not None:
        context.say(f'it is in {place.file}: set vault_key_file = "{place.file}", and keep a copy elsewhere')
    elif place is not None and place.keyring:
        context.say("it is in the system's keyring: set vault_keyring = true, and keep a copy elsewhere")
