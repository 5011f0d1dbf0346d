"""Names for the faces of a run, from their stored vectors: no photo is opened, nothing is embedded.

Every decision says on which state of the gallery and which operating point it rests (its basis). Those that rest on
another one than the present are made anew, so a result is always that of one state, whenever its faces were found.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from app import trail
from app.runs import rows, schema
from app.sealed import Connection, Seal
from pipeline.decide import decide_photo
from pipeline.errors import ModelMismatchError, ModelSwitchedError
from pipeline.types import F32, Decision, OperatingPoint, Templates

if TYPE_CHECKING:
    from app.runs.records import Run
    from app.services import Services

#: Contents that are searched and committed together.
_PAGE = 256


@dataclass(frozen=True, slots=True, eq=False)
class _Photo:
    """The faces of one content.

    Attributes:
        video: It is a video, in which one person may appear again and again.
        faces: Their rows.
        norms: Their templates' norms.
        vectors: (N, D) float32.
    """

    sha256: str
    video: bool
    faces: list[int]
    norms: list[float]
    vectors: F32


def decide(run: Run, services: Services, told: Callable[[int], None] = lambda _: None) -> int:
    """Decides every face whose decision rests on another gallery or operating point, or that has none.

    Args:
        run: The run.
        services: The gallery and the operating point in use.
        told: Called with the number of faces decided so far.

    Returns:
        How many faces were decided.

    Raises:
        ModelMismatchError: The run was made with another model than the one in use.
        ModelSwitchedError: The gallery is being switched to another model at this moment.
        NoOperatingPointError: Nothing says which score is a match.
    """
    with run.connected() as connection:
        return Decider(connection, services, run.name).decide(told)


class Decider:
    """Decides at one state of the gallery: that at which it was made.

    Args:
        connection: To the ledger.
        services: The gallery and the operating point.
        name: Of the run.
    """

    def __init__(self, connection: Connection, services: Services, name: str) -> None:
        said, gallery = rows.meta(connection), services.gallery
        model_id = said.get("model_id")
        if model_id not in (None, gallery.model_id):
            raise ModelMismatchError(
                f"the run {name} was made with {model_id}, the gallery is searched with {gallery.model_id}: "
                f"repeat `knownface identify PATH... --run {name}`, which embeds its faces anew"
            )
        self._logs = services.logs
        self._connection, self._gallery = connection, gallery  # by this model, also if it is switched meanwhile
        self._point, self._size = services.identify_point(), len(gallery)
        if self._point.model_id != gallery.model_id:
            raise ModelSwitchedError(f"the gallery was switched to {self._point.model_id} just now: decide again")
        self._repeats = bool(said.get("allow_repeats") or services.settings.allow_repeats)
        state = gallery.state
        basis = [state, self._size, self._repeats, services.settings.subject_score, dataclasses.asdict(self._point)]
        self.basis = hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]
        self._about = {"generation": int(state.rpartition("@")[2]), "subjects": self._size}

    def decide(self, told: Callable[[int], None] = lambda _: None) -> int:
        """Decides all that has no decision on this basis; returns how many faces that were."""
        decided, last = 0, ""
        while page := self._undecided(last):
            last = page[-1]
            decided += self.contents(page).total()
            told(decided)
        with schema.transaction(self._connection):
            rows.set_meta(self._connection, gallery=self._about, operating_point=_point(self._point), basis=self.basis)
        return decided

    def contents(self, sha256s: Sequence[str]) -> Counter[str]:
        """Decides the faces of these contents, in one transaction; returns how many of each kind."""
        photos: dict[int, list[_Photo]] = defaultdict(list)
        for photo in self._photos(sha256s):
            photos[len(photo.faces)].append(photo)
        decided = [(photo, decisions) for same in photos.values() for photo, decisions in self._same(same)]
        trail.decided(self._gallery, self._logs, "run", [(photo.sha256, decisions) for photo, decisions in decided])
        with schema.transaction(self._connection):
            self._connection.executemany(
                "insert or replace into decisions values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    _row(self._connection.seal, face, self.basis, decision)
                    for photo, decisions in decided
                    for face, decision in zip(photo.faces, decisions, strict=True)
                ],
            )
        return Counter(decision.kind for _, decisions in decided for decision in decisions)

    def _undecided(self, after: str) -> list[str]:
        found = self._connection.execute(
            "select distinct f.sha256 from faces f left join decisions d on d.face = f.id "
            "where f.sha256 > ? and d.basis is not ? order by f.sha256 limit ?",
            (after, self.basis, _PAGE),
        )
        return [sha256 for (sha256,) in found]

    def _photos(self, sha256s: Sequence[str]) -> Iterator[_Photo]:
        self._connection.look_up()
        vector = self._connection.seal.reads("t.vector", schema.VECTOR, "t.face")
        query = (
            f"select f.sha256, c.kind, f.id, f.norm, {vector} from faces f join contents c on c.sha256 = f.sha256 "  # noqa: S608
            "join templates t on t.face = f.id where f.sha256 in (select value from json_each(?)) "
            "order by f.sha256, f.number"
        )
        found = self._connection.execute(query, (json.dumps(sha256s),)).fetchall()
        for (sha256, kind), group in groupby(found, key=lambda row: (row[0], row[1])):
            faces = list(group)
            vectors = np.stack([np.frombuffer(row[4], "<f4").astype(np.float32) for row in faces])
            yield _Photo(sha256, kind == "video", [row[2] for row in faces], [row[3] for row in faces], vectors)

    def _same(self, photos: Sequence[_Photo]) -> Iterator[tuple[_Photo, tuple[Decision, ...]]]:
        """Decides photos of equally many faces, which are searched together; the scores are those of each alone."""
        count = len(photos[0].faces)
        norms = np.array([photo.norms for photo in photos], np.float32).reshape(-1)
        templates = Templates(np.concatenate([photo.vectors for photo in photos]), norms, self._gallery.model_id)
        found = self._gallery.search(templates, k=count + 1, threshold=self._point.threshold)
        for number, photo in enumerate(photos):
            candidates = found[number * count : (number + 1) * count]
            repeats = self._repeats or photo.video
            yield photo, decide_photo(candidates, self._point, self._size, norms=photo.norms, allow_repeats=repeats)


def _row(seal: Seal, face: int, basis: str, decision: Decision) -> tuple[Any, ...]:
    runner_up, best = decision.runner_up or (None, None), decision.best or (None, None)
    subject, second, first = (seal.key(name, schema.SUBJECT) for name in (decision.subject, runner_up[0], best[0]))
    said = (decision.kind, subject, decision.score, decision.threshold, second, runner_up[1], first, best[1])
    return (face, basis, *said, seal.value(decision.reason, schema.REASON, face), decision.origin)


def _point(point: OperatingPoint) -> dict[str, Any]:
    return {
        "threshold": point.threshold,
        "fpir": point.fmr,
        "fpir_upper": point.fmr_upper,
        "fnir": point.fnmr,
        "gallery_size": point.gallery_size,
        "margin": point.margin,
        "origin": point.origin,
        "subject_score": point.subject_score,
    }
