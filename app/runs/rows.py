"""The questions a run is asked, as SQL on its ledger."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast, get_args

import numpy as np

from app.runs import schema
from app.runs.row_types import FaceRow, FileRow, Landmarks, face_id
from app.runs.schema import path_bytes, path_text
from app.sealed import Connection, Seal
from pipeline.images import one_line
from pipeline.recognizer import no_face
from pipeline.types import F32, DecisionKind

_FILES = """
select {path} as path, f.sha256, f.kind, f.state, coalesce(f.error, c.error), {failed}, {said}, c.height, c.width,
    (select count(*) from faces where faces.sha256 = f.sha256)
from files f left join contents c on c.sha256 = f.sha256 where f.state in ('done', 'failed')
"""
_FACES = """
select first.path, first.paths, c.kind, c.height, c.width, f.sha256, f.number, f.x0, f.y0, f.x1, f.y1, f.landmarks,
    f.confidence, f.norm, f.quality, f.start_s, f.end_s, d.kind, {subject}, d.score, d.threshold, {runner_up},
    d.runner_up_score, {best}, d.best_score, coalesce({reason}, ''), coalesce(d.origin, ''),
    case when coalesce(d.kind, 'unknown') = 'unknown' then k.cluster end
from ({shown}) first join contents c on c.sha256 = first.sha256 join faces f on f.sha256 = first.sha256
left join decisions d on d.face = f.id left join clusters k on k.face = f.id
order by first.path, f.number
"""
_VECTORS = """
select f.sha256, c.kind, f.number, {vector}
from ({shown}) first join contents c on c.sha256 = first.sha256 join faces f on f.sha256 = first.sha256
join templates t on t.face = f.id left join decisions d on d.face = f.id
where :kind is null or d.kind = :kind order by first.path, f.number
"""


def _shown(seal: Seal, some: str = "") -> str:
    """The contents of the result, each with its first path and how many paths it has."""
    path = seal.reads("path", schema.PATH)
    found = f"select sha256, min({path}) as path, count(*) as paths from files"  # noqa: S608 - constants
    return f"{found} where state = 'done' {some} group by sha256"


def _files(seal: Seal) -> str:
    return _FILES.format(
        path=seal.reads("f.path", schema.PATH),
        failed=seal.reads("f.message", schema.FAILED, "hex(f.path)"),
        said=seal.reads("c.message", schema.SAID, "c.sha256"),
    )


def _faces(seal: Seal, some: str = "") -> str:
    names = {name: seal.reads(f"d.{name}", schema.SUBJECT) for name in ("subject", "runner_up", "best")}
    return _FACES.format(shown=_shown(seal, some), reason=seal.reads("d.reason", schema.REASON, "d.face"), **names)


def open_meta(connection: Connection) -> dict[str, Any]:
    """What is said about the run as a whole that says nothing of a person: it takes no key."""
    return _meta(connection, f"select key, value from meta where key in {schema.OPEN}")  # noqa: S608 - constants


def meta(connection: Connection) -> dict[str, Any]:
    """Everything said about the run as a whole."""
    value = connection.seal.reads("value", schema.ABOUT, "key")
    query = f"select key, case when key in {schema.OPEN} then value else {value} end from meta"  # noqa: S608 - constants
    return _meta(connection, query)


def _meta(connection: Connection, query: str) -> dict[str, Any]:
    try:
        return {key: json.loads(text) for key, text in connection.execute(query)}
    except ValueError as error:
        raise sqlite3.DatabaseError("what it says of the run was altered") from error


def set_meta(connection: Connection, **values: Any) -> None:
    """Says something about the run as a whole, in place of what was said."""
    texts = {key: json.dumps(value, ensure_ascii=False, sort_keys=True) for key, value in values.items()}
    seal = connection.seal
    rows = [(key, text if key in schema.OPEN else seal.value(text, schema.ABOUT, key)) for key, text in texts.items()]
    connection.executemany("insert or replace into meta values (?, ?)", rows)


def files(connection: Connection, only: Sequence[str] | None = None) -> Iterator[FileRow]:
    """Every file that is finished, by its path; or only these, in the order they are named."""
    seal = connection.seal
    found: Iterable[Any] = connection.execute(f"{_files(seal)} order by 1")
    if only is not None:
        asked = f"{_files(seal)} and f.path = ?"
        paths = (seal.key(path_bytes(path), schema.PATH) for path in only)
        found = (row for path in paths for row in connection.execute(asked, (path,)))
    for path, sha256, kind, state, failure, own, shared, height, width, faces_ in found:
        text = path_text(path)
        error, message = failure, own or (None if shared is None else f"{one_line(text)}: {shared}")
        if failure is None and not faces_:
            nobody = no_face(one_line(text))
            error, message = nobody.code, nobody.message
        hw = None if height is None else (height, width)
        yield FileRow(text, sha256, kind, state, error, message, hw, faces_)


def faces(connection: Connection, only: Sequence[str] | None = None) -> Iterator[FaceRow]:
    """Every face, by the first path of its content and its number; or only those of these contents."""
    if only is None:
        found = connection.execute(_faces(connection.seal))
    else:
        some = "and sha256 in (select value from json_each(?))"
        found = connection.execute(_faces(connection.seal, some), (json.dumps(list(only)),))
    model_id = str(meta(connection).get("model_id", ""))
    for row in found:
        path, paths, kind, height, width, sha256, number, x0, y0, x1, y1, landmarks, confidence, norm = row[:14]
        quality, start_s, end_s, decision, subject, score, threshold, runner_up, runner_up_score = row[14:23]
        best, best_score, reason, origin, cluster = row[23:]
        yield FaceRow(
            face_id=face_id(sha256, number, video=kind == "video"),
            photo=path_text(path),
            other_paths=_other_paths(connection, sha256, path) if paths > 1 else (),
            sha256=sha256,
            number=number,
            box=(x0, y0, x1, y1),
            landmarks=_landmarks(landmarks),
            confidence=confidence,
            image_hw=(height, width),
            decision=decision,
            subject=subject,
            score=score,
            threshold=threshold,
            runner_up=None if runner_up is None else (runner_up, runner_up_score),
            best=None if best is None else (best, best_score),
            reason=reason,
            origin=origin,
            model_id=model_id,
            norm=norm,
            cluster=cluster,
            quality=quality,
            start_s=start_s,
            end_s=end_s,
        )


def thumbnail(connection: Connection, name: str) -> bytes | None:
    """The picture of a face, None where there is none."""
    jpeg = connection.seal.reads("jpeg", schema.PICTURE, "face")
    query = f"select {jpeg} from thumbnails where face = ?"  # noqa: S608 - constants
    row = connection.execute(query, (id_of(connection, name),)).fetchone()
    return None if row is None else bytes(row[0])


def vectors(connection: Connection, which: Sequence[str] | DecisionKind | None) -> tuple[list[str], F32]:
    """face_ids and templates: of those named, of those decided so, or of all."""
    found: Iterable[tuple[str, bytes]]
    if which is None or (isinstance(which, str) and which in get_args(DecisionKind)):
        vector = connection.seal.reads("t.vector", schema.VECTOR, "t.face")
        query = _VECTORS.format(shown=_shown(connection.seal), vector=vector)
        found = (
            (face_id(sha256, number, video=kind == "video"), blob)
            for sha256, kind, number, blob in connection.execute(query, {"kind": which})
        )
    else:
        found = _named(connection, which)
    names, together = [], bytearray()  # grows in place: a hundred thousand vectors are in memory once
    for name, blob in found:
        names.append(name)
        together += blob
    dimension = int(meta(connection).get("dimension", 0))
    return names, np.frombuffer(together, "<f4").astype(np.float32, copy=False).reshape(len(names), dimension)


def _named(connection: Connection, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    vector = connection.seal.reads("vector", schema.VECTOR, "face")
    for name in names:
        face = id_of(connection, name)
        for (blob,) in connection.execute(f"select {vector} from templates where face = ?", (face,)):  # noqa: S608
            yield name, blob


def set_cluster(connection: Connection, name: str, cluster: str | None) -> None:
    """Says which cluster a face belongs to, None for none; a face that is not there is passed over."""
    face = id_of(connection, name)
    connection.execute("delete from clusters where face = ?", (face,))
    if cluster is not None and face is not None:
        connection.execute("insert into clusters values (?, ?)", (face, cluster))


def summary(connection: Connection) -> dict[str, Any]:
    """See `Run.summary`."""
    said = meta(connection)
    kinds = dict(connection.execute("select kind, count(*) from files where state <> 'pending' group by kind"))
    errors = connection.execute(
        "select coalesce(f.error, c.error), count(*) from files f left join contents c on c.sha256 = f.sha256 "
        "where f.state = 'failed' group by 1 order by 1"
    ).fetchall()
    joined = "first join faces f on f.sha256 = first.sha256 left join decisions d on d.face = f.id"
    shown = f"({_shown(connection.seal)}) {joined}"
    decisions = connection.execute(f"select d.kind, count(*) from {shown} group by 1 order by 1").fetchall()  # noqa: S608
    (subjects,) = connection.execute(f"select count(distinct d.subject) from {shown}").fetchone()  # noqa: S608
    return {
        "files": sum(kinds.values()),
        "photos": kinds.get("photo", 0),
        "videos": kinds.get("video", 0),
        "failed": sum(count for _, count in errors),
        "errors": dict(errors),
        "faces": sum(count for _, count in decisions),
        "decisions": {kind: count for kind, count in decisions if kind is not None},
        "subjects": subjects,
        **{key: said.get(key) for key in ("model_id", "dimension", "recipe", "gallery", "operating_point")},
    }


def _other_paths(connection: Connection, sha256: str, first: bytes) -> tuple[str, ...]:
    path = connection.seal.reads("path", schema.PATH)
    paths = f"select {path} as path from files where sha256 = ? and state = 'done'"  # noqa: S608 - constants
    query = f"select path from ({paths}) where path > ? order by path"  # noqa: S608 - constants
    return tuple(path_text(path) for (path,) in connection.execute(query, (sha256, first)))


def _landmarks(blob: bytes) -> Landmarks:
    return cast(Landmarks, tuple((float(x), float(y)) for x, y in np.frombuffer(blob, "<f4").reshape(-1, 2)))


def id_of(connection: Connection, name: str) -> int | None:
    """The row of a face by its name; None where there is none."""
    start, _, number = name.rpartition("-")
    number = number.removeprefix("t")
    if not start or not number.isascii() or not number.isdigit():
        return None
    query = "select id from faces where sha256 >= ? and sha256 < ? and number = ?"
    row = connection.execute(query, (start, f"{start}g", int(number))).fetchone()
    return None if row is None else int(row[0])
