"""`knownface demo`: the whole main job on sample photos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import Context
from pipeline.counting import counted

if TYPE_CHECKING:
    from app.services import Identification, Services
    from pipeline.config import Settings
    from pipeline.weights.samples import Sample


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command()(demo)


def demo(
    ctx: typer.Context,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Where to keep the sample photos, their gallery and the report.")
    ] = None,
) -> None:
    """Enrol four sample people, identify other photos, and write a report. Fetches what it needs."""
    context: Context = ctx.obj
    from app.services import Services

    where = directory or _default_directory(context.settings)
    settings = context.settings.model_copy(update={"gallery": str(where / "gallery")})
    samples = _pull(context, settings, where)
    services = Services(settings)
    try:
        for row in services.enrol_many([(s.person, s.path) for s in samples if s.role == "enrol"]):
            if row.error:
                raise row.error
        probes = sorted((s for s in samples if s.role == "probe"), key=lambda sample: sample.path)
        results = list(context.progress(services.identify([s.path for s in probes]), len(probes), "identifying"))
        report = where / "report.html"
        _write(report, services, samples, results)
    finally:
        services.close()
    _print(context, results, report, settings)


def _pull(context: Context, settings: Settings, where: Path) -> list[Sample]:
    """Fetches what is missing of the models in use and the photos, and measures which runtime serves each best."""
    from app.cli.model_output import fetch_progress
    from pipeline.runtime import choose_runtime
    from pipeline.weights import ModelStore
    from pipeline.weights.samples import pull_samples
    from pipeline.weights.sources import kept_archives

    store = ModelStore(settings.models_dir)
    with kept_archives(store.models_dir) as archives:
        for name in (settings.detector, settings.refiner, settings.embedder):
            if name == "none":
                continue
            with fetch_progress(context) as progress:
                model = store.pull(name, progress=progress, archives=archives)
            if model.runtime is None:
                context.note(f"measuring {name}")
                store.record_runtime(name, choose_runtime(model))
        with fetch_progress(context) as progress:
            return pull_samples(where, progress, archives=archives)


def _default_directory(settings: Settings) -> Path:
    """data/demo of a clone; below the user's data folder where Knownface is installed without its sources."""
    root = Path(__file__).resolve().parent.parent.parent
    return root / "data" / "demo" if (root / "pyproject.toml").is_file() else settings.home / "demo"


def _write(file: Path, services: Services, samples: list[Sample], results: list[Identification]) -> None:
    from app.report import Shown, write_report
    from pipeline.version import __version__
    from pipeline.weights import ModelStore

    by_path = {str(sample.path): sample for sample in samples}

    def shown(sample: Sample) -> Shown:
        return Shown(services.open(sample.path), f"{sample.title}. {sample.credit}, {sample.licence}")

    card = ModelStore(services.settings.models_dir).installed(services.settings.embedder).card
    point, samples_held = services.identify_point(), counted(services.gallery.sample_count, "sample")
    write_report(
        file,
        title="Knownface demo: photo in, name out",
        facts=[
            ("program", f"Knownface {__version__}"),
            ("embedder", f"{services.recognizer.model_id} ({card.licence.weights})"),
            ("operating point", f"threshold {point.threshold:.3f}; {point.measured_on}"),
            (
                "gallery",
                f"{counted(len(services.gallery), 'subject')}, {samples_held}",
            ),
        ],
        enrolled=[(sample.person, shown(sample)) for sample in samples if sample.role == "enrol"],
        identified=[(result, shown(by_path[result.photo])) for result in results],
    )


def _print(context: Context, results: list[Identification], report: Path, settings: Settings) -> None:
    from app.cli.identify import print_identifications
    from app.results import identification_rows

    if context.machine:
        rows = [identification_rows(result) for result in results]
        faces = [face for documents, _ in rows for face in documents]
        context.emit({"faces": faces, "errors": [e for _, e in rows if e], "report": str(report.resolve())})
    else:
        print_identifications(context, results)
        say = context.say
        say(f"\nreport: {report.resolve()}")
        say(f"web page: {_program()} --gallery {_quoted(settings.gallery)} web")


def _program() -> str:
    """How this program was called, so that the command shown can be pasted."""
    name = Path(sys.argv[0])
    return _quoted(str(name)) if name.name == "knownface" else "knownface"


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
