"""`knownface models use | rollback | status`: which models are used, and the change of a gallery to another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import Context
from pipeline.counting import counted, people
from pipeline.errors import ConfigError, GalleryError, KnownfaceError, ModelError, SwitchRefusedError

if TYPE_CHECKING:
    from app.switching import Done, How
    from pipeline.config import Settings
    from pipeline.gallery import Gallery, Model
    from pipeline.weights import Card, ModelStore

_OFF = {"none": "refiner", "no-liveness": "liveness", "no-eyes": "eyes"}
Photos = Annotated[
    list[Path] | None,
    typer.Option(
        "--photos", help="The original photos, for samples of which no crop that fits is kept; repeat it for more."
    ),
]
LeaveBehind = Annotated[
    bool,
    typer.Option("--leave-behind", help="Go on although somebody cannot be embedded with the new model."),
]
Share = Annotated[
    float,
    typer.Option("--throttle", min=0.01, max=1.0, help="Share of the time to spend embedding; searches have the rest."),
]
_LONG_S = 10.0
TASKS = ("detector", "refiner", "embedder", "liveness", "eyes")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (use, rollback, status):
        app.command()(command)


def use(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help='Installed models, packs; "none" (refiner), "no-liveness", "no-eyes".'),
    ],
    photos: Photos = None,
    leave_behind: LeaveBehind = False,
    throttle: Share = 1.0,
    calibrate_on: Annotated[
        Path | None,
        typer.Option(
            "--calibrate-on", exists=True, file_okay=False, help="Measure the new thresholds on DIR/PERSON/*.jpg."
        ),
    ] = None,
    no_point: Annotated[
        bool, typer.Option("--no-point", help="Switch although nothing says which score is a match.")
    ] = False,
    prepare: Annotated[
        bool,
        typer.Option("--prepare", help="Only embed everybody with the new embedder too; see `models compare`."),
    ] = False,
) -> None:
    """Choose detector, refiner, embedder, liveness, eyes; for another embedder all are embedded anew first."""
    context: Context = ctx.obj
    from app.switching import How
    from pipeline.weights import ModelStore

    store, settings = ModelStore(context.settings.models_dir), context.settings
    choice: dict[str, str] = {}
    for name in names:
        for task, value in _tasks(store, name):
            if choice.get(task, value) != value:
                raise ConfigError(f"{choice[task]} and {value} serve one task ({task}): choose one")
            choice[task] = value
    done = None
    if "embedder" in choice:
        how = How(photos or (), leave_behind, throttle, calibrate_on, no_point, prepare=prepare)
        done = _switch(context, settings.model_copy(update=choice), how)
    _write(context, {} if prepare else choice, done)


def rollback(
    ctx: typer.Context, photos: Photos = None, leave_behind: LeaveBehind = False, throttle: Share = 1.0
) -> None:
    """Go back to the model the gallery was searched with before; who was enrolled since is embedded with it."""
    context: Context = ctx.obj
    from app.in_use import settings_for
    from app.switching import How

    with opened(context.settings, None) as gallery:
        state = gallery.switching().state()
    if state is None or state.previous is None:
        raise GalleryError("there is no model to go back to: this gallery has been searched with one only")
    how = How(photos or (), leave_behind, throttle, keep_points=True)
    done = _switch(context, settings_for(context.settings, state.previous), how, state.previous)
    same = context.settings.embedder == state.model.embedder
    _write(context, {"embedder": state.previous.embedder} if same else {}, done)


def status(ctx: typer.Context) -> None:
    """Say which model the gallery is searched with, and how far a change to another one is."""
    context: Context = ctx.obj
    from pipeline.gallery import is_missing

    document: dict[str, Any] = {"model": None, "previous": None, "left_behind": None, "templates": {}, "change": None}
    if not is_missing(context.settings.gallery_location):
        with opened(context.settings, None) as gallery:
            work = gallery.switching()
            state = work.state()
            document |= {} if state is None else state.as_document()
            document |= {"templates": work.models(), "change": work.progress()}
            document["left_behind_people"] = work.subjects_left(state.model.model_id) if state else []
    if context.machine:
        context.emit(document)
        return
    in_use = document["model"] or {"model_id": f"{context.settings.embedder} (for the first who is enrolled)"}
    context.say(f"searched with: {in_use['model_id']}")
    for model_id, count in document["templates"].items():
        context.say(f"templates of {model_id}: {count}")
    if change := document["change"]:
        stopped = not change["running"] and change["state"] not in ("done", "refused", "prepared")
        state_now = "stopped: repeat the command to go on" if stopped else change["state"]
        context.say(f"change to {change['to']}: {change['done']} of {change['total']}, {state_now}")
    if left := document.get("left_behind_people"):
        context.say(f"left behind, searched with the old model until enrolled again: {', '.join(left)}")


@contextmanager
def opened(settings: Settings, model: Model | None) -> Iterator[Gallery]:
    """The gallery by a model; by a stand-in where only what it says about itself is asked."""
    from app.access import LOCAL
    from pipeline.gallery import Anchor, Gallery, IndexPlace, KeyPlaces, Scribe

    local = model is None
    place = IndexPlace() if local else IndexPlace(settings.index, settings.index_url, settings.index_method)
    score = "best" if local else settings.subject_score
    model_id, dimension = ("none", 1) if model is None else (model.model_id, model.dimension)
    location, scribe = settings.gallery_location, Scribe(LOCAL.name, Anchor(settings.home))
    with Gallery.open(
        location,
        model_id,
        dimension,
        create=False,
        subject_score=score,
        index=place,
        scribe=scribe,
        keys=KeyPlaces.of(settings),
    ) as gallery:
        gallery.record_key_use()
        yield gallery


def _switch(context: Context, settings: Settings, how: How, model: Model | None = None) -> Done | None:
    """Changes the gallery, where there is one."""
    from app.switching import Change
    from pipeline.build import embedder_identity
    from pipeline.gallery import Model, is_missing

    if is_missing(settings.gallery_location):
        return None
    target = model or Model(*embedder_identity(settings))
    with opened(settings, target) as gallery, watched(context) as told:
        change = Change(gallery, settings, how, _named(context.settings), told)
        try:
            return change.run()
        except SwitchRefusedError as error:
            if not context.machine:
                for row in error.problems:
                    context.note(f"{row['subject']}: {row['photo']}: {row['reason']}")
                raise
            context.emit(error.as_dict() | {"problems": list(error.problems)})
            context.note(f"error: {error.message}")
            raise typer.Exit(3) from error


def _named(settings: Settings) -> str | None:
    """The model of the settings, where it is known."""
    from pipeline.build import embedder_identity

    try:
        return embedder_identity(settings)[0]
    except (ModelError, KnownfaceError):
        return None


@contextmanager
def watched(context: Context, what: str = "embedding") -> Iterator[Any]:
    """A progress bar on a terminal, a line now and then elsewhere."""
    import sys
    import time

    if context.quiet or not sys.stderr.isatty():
        last = time.monotonic()

        def plain(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= _LONG_S:
                last = time.monotonic()
                context.note(f"{what}: {done} of {total}")

        yield plain
        return
    from rich.progress import Progress

    with Progress(console=context.console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def working(context: Context) -> Iterator[Callable[[str], None]]:
    """Says what is done now: in one line on a terminal, else where it takes long."""
    import sys
    import time

    if context.quiet or not sys.stderr.isatty():
        last = time.monotonic()

        def plain(text: str) -> None:
            nonlocal last
            if time.monotonic() - last >= _LONG_S:
                last = time.monotonic()
                context.note(text)

        yield plain
        return
    with context.console(stderr=True).status("") as status:
        yield status.update


def _tasks(store: ModelStore, name: str) -> list[tuple[str, str]]:
    """Setting and value for each model the name stands for; all of them installed."""
    if name in _OFF:
        return [(_OFF[name], "none")]
    cards: list[Card] = ([] if name in store.cards else store.in_pack(name)) or [store.card(name)]
    return [(card.task, store.installed(card.name).card.name) for card in cards]


def _write(context: Context, choice: dict[str, str], done: Done | None) -> None:
    """Keeps the choice for new galleries, and says what was done."""
    from pipeline.config import Settings
    from pipeline.weights.choice import write_choice

    file = context.config or context.settings.home / "settings.toml"
    if choice:
        write_choice(file, choice)
    note = _left(done) if done else ""
    if context.machine:
        now = Settings.load(file if choice or context.config else None)
        stack = {task: getattr(now, task) for task in TASKS}
        document = {"stack": stack, "settings": str(file), "note": note}
        context.emit(document | {"switch": None if done is None else done.as_document()})
        return
    for task, value in choice.items():
        context.say(f"{task}: {value}")
    if done is not None and done.before is not None:
        what = "the gallery is searched with" if done.switched else "prepared, and not used yet:"
        samples = counted(done.samples, "sample")
        context.say(f"{what} {done.now}: {samples}, {done.embedded} embedded in {done.seconds:.1f} s")
        if done.points:
            context.say(f"thresholds: {done.points}")
    if note:
        context.note(note)


def _left(done: Done) -> str:
    names = list(dict.fromkeys(problem.subject for problem in done.left_behind))
    if not names:
        return ""
    return (
        f"{counted(len(done.left_behind), 'sample')} of {people(len(names))} could not be embedded with {done.now}: "
        f"{', '.join(names[:10])}{' and others' if len(names) > 10 else ''}; enrol them again"
    )
