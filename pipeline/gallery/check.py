"""What can be wrong inside the truth, and how it is put right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.counting import counted
from pipeline.gallery import bound_rights, in_use, names, programs, snapshot
from pipeline.gallery.mirror import Mirror
from pipeline.gallery.records import Problem, ProblemKind
from pipeline.gallery.schema import LENIENT_VECTOR, removed, samples, subjects, templates
from pipeline.gallery.store import bump, read_meta
from pipeline.gallery.truth import Truth
from pipeline.gallery.vault.kept import opened_or_empty, sealer_of, vector_identity
from pipeline.gallery.vault.sealer import VECTOR
from pipeline.types import UNIT_TOLERANCE


def damaged_pages(connection: Connection) -> list[Problem]:
    """Pages of the SQLite file that contradict each other."""
    if connection.dialect.name != "sqlite":
        return []
    lines = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
    advice = "restore a backup with `knownface gallery restore FILE`"
    return [Problem("damaged_page", f"{' '.join(line.split())}; {advice}") for line in lines if line != "ok"]


def broken_references(connection: Connection, *, repair: bool) -> list[Problem]:
    """Templates without a sample, samples without a subject; repairing removes them."""
    problems = []
    no_sample = sa.select(templates.c.id).where(~sa.exists().where(samples.c.id == templates.c.sample_id))
    no_subject = sa.select(samples.c.id).where(~sa.exists().where(subjects.c.id == samples.c.subject_id))
    orphan_samples = list(connection.execute(no_subject).scalars())
    if orphan_samples:
        if repair:
            remove_templates(connection, templates.c.sample_id.in_(no_subject))
            programs.delete(connection, samples, samples.c.id.in_(no_subject))
        text = f"{counted(len(orphan_samples), 'sample')} of no subject"
        problems.append(Problem("broken_reference", text, repair))
    orphan_templates = list(connection.execute(no_sample).scalars())
    if orphan_templates:
        if repair:
            remove_templates(connection, templates.c.id.in_(no_sample))
        texts = [f"template {key} belongs to no sample" for key in orphan_templates[:20]]
        problems += [Problem("template_without_sample", text, repair) for text in texts]
    return problems


def bad_vectors(connection: Connection, model_id: str, dimension: int, *, repair: bool) -> list[Problem]:
    """Templates whose vector is not finite, not unit or of the wrong length; repairing removes them."""
    query = (
        sa.select(templates.c.id, LENIENT_VECTOR, samples.c.uid, subjects.c.name, samples.c.id, subjects.c.id)
        .join(samples, samples.c.id == templates.c.sample_id)
        .join(subjects, subjects.c.id == samples.c.subject_id)
        .where(templates.c.model_id == model_id)
        .execution_options(yield_per=4096)
    )
    problems, bad = [], []
    sealer = sealer_of(connection.dialect)
    for key, kept, uid, name, sample, owner in connection.execute(query):
        blob = opened_or_empty(sealer, kept, VECTOR, vector_identity(sample, model_id, owner))
        if what := _wrong_with(blob, dimension):
            bad.append(key)
            text = f"the vector of sample {uid} of subject {names.shown(name)} {what}: enrol the photo again"
            problems.append(Problem("bad_vector", text, repair))
    if bad and repair:
        remove_templates(connection, templates.c.id.in_(bad))
    return problems


def _wrong_with(blob: bytes, dimension: int) -> str | None:
    if len(blob) != 4 * dimension:
        return f"has {len(blob)} bytes instead of {4 * dimension}"
    vector = np.frombuffer(blob, "<f4")
    with np.errstate(over="ignore", invalid="ignore"):
        length = float(np.sqrt(vector @ vector))
    return None if abs(length - 1) < UNIT_TOLERANCE else f"has length {length:.4g} instead of 1"


def samples_without_template(connection: Connection, model_id: str) -> list[Problem]:
    """Samples that have no template of this model; those of other models beside one of this do no harm."""
    mine = sa.exists().where((templates.c.sample_id == samples.c.id) & (templates.c.model_id == model_id))
    without = connection.execute(sa.select(sa.func.count()).select_from(samples).where(~mine)).scalar_one()
    if not without:
        return []
    state = in_use.read(connection)
    how = "are never found"
    if state is not None and state.model.model_id == model_id and state.left_behind is not None:
        how = f"are searched with {state.left_behind.model_id} where their subject has none of it either"
    text = f"{counted(without, 'sample')} without a template of {model_id} and {how}: enrol their photos again"
    return [Problem("sample_without_template", text)]


def forged_rights(connection: Connection) -> list[Problem]:
    """Whose consents and legal hold were changed without the key of the encrypted gallery; or that none are bound."""
    sealer = sealer_of(connection.dialect)
    if sealer is not None and not sealer.binds_rights and not sealer.accepts_plain:
        text = "consents and legal holds are not bound to the key yet: run `knownface vault rotate`"
        return [Problem("rights_not_bound", text)]
    advice = "restore a backup, or look at them and run `knownface subject accept`"
    return [
        Problem("rights_forged", f"the consents and the legal hold of {names.shown(name)} were changed: {advice}")
        for name in bound_rights.forged(connection)
    ]


def index_problems(connection: Connection, mirror: Mirror, file: Path | None, *, repair: bool) -> list[Problem]:
    """The index in memory and the one on disk, each held against the truth; repairing throws a wrong one away."""
    problems = []
    if mirror.at is not None:
        mirror.follow(connection)
        if what := mirror.difference(connection):
            if repair:
                mirror.rebuild(connection)
            text = f"the index in memory disagrees with the database ({what}): it must be rebuilt"
            problems.append(Problem("index_disagrees", text, repair))
    if file is not None and file.exists() and (what := _wrong_with_file(connection, mirror, file)):
        if repair:
            file.unlink(missing_ok=True)
        kind: ProblemKind = "index_disagrees" if what.startswith("it disagrees") else "index_damaged"
        text = f"{file.name} cannot be used: {what}; it is made anew from the database"
        problems.append(Problem(kind, text, repair))
    return problems


def _wrong_with_file(connection: Connection, mirror: Mirror, file: Path) -> str | None:
    now = read_meta(connection)
    try:
        saved = snapshot.load(file, mirror.model_id, mirror.dimension, now, sealer_of(connection.dialect))
    except (snapshot.SnapshotError, OSError, ValueError) as error:
        return str(error)
    other = Mirror(mirror.model_id, mirror.dimension, compress=False)
    other.adopt(connection, saved.segments, saved.names, saved.at)
    other.follow(connection)
    what = other.difference(connection)
    if what is None and now.removal > saved.at.generation:
        return "it holds what was erased since"
    return None if what is None else f"it disagrees with the database ({what})"


def leftovers(truth: Truth, *, repair: bool) -> list[Problem]:
    """Temporary files of writers that were killed."""
    if truth.folder is None:
        return []
    found = sorted(truth.folder.glob(f"*{snapshot.TEMPORARY}"))
    if found and repair:
        truth.clear_leftovers()
    return [
        Problem("orphan_file", f"{file.name} was left by a process that was killed: it can go", not file.exists())
        for file in found
    ]


def remove_templates(connection: Connection, which: sa.ColumnElement[bool]) -> None:
    """Removes templates and leaves tombstones."""
    generation = bump(connection, removal=True)
    dead = sa.select(templates.c.id, sa.literal(generation)).where(which)
    connection.execute(sa.insert(removed).from_select(["template_id", "generation"], dead))
    programs.delete(connection, templates, which)
