"""Templates of several photos, compared 1:1: the protocol of IJB-B and IJB-C (Whitelam et al. 2017, Maze et al. 2018).

A template stands for a person as seen on one occasion: photos and frames of videos. The frames of one medium (a video)
count as one: their templates are averaged first, then those of the media.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.evaluation.lists import both_kinds, inside, is_csv, lines_of, rows_of, truth
from app.evaluation.records import Pair
from pipeline.errors import ConfigError, NoFaceError, PhotoError
from pipeline.types import F32


@dataclass(frozen=True, slots=True)
class Media:
    """What each template is made of.

    Attributes:
        photos: template -> medium -> names of photos.
        subjects: template -> subject, where the list says it.
    """

    photos: Mapping[str, Mapping[str, Sequence[str]]]
    subjects: Mapping[str, str]

    def names(self) -> list[str]:
        """Every photo once, sorted."""
        return sorted({n for media in self.photos.values() for names in media.values() for n in names})

    def first_photo(self, template: str) -> str:
        """A photo of the template, to show."""
        return next(iter(self.photos[template].values()))[0]


def read_media(file: Path) -> Media:
    """Reads which photos belong to which template.

    Args:
        file: IJB's `NAME TEMPLATE MEDIUM` a line (ijbc_face_tid_mid.txt), or a CSV with the columns photo, template
            and, if wanted, medium and subject. Without a medium each photo is one.

    Raises:
        ConfigError: It cannot be read; names the line.
    """
    lines = lines_of(file, "a list of photos and their templates")
    photos: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    subjects: dict[str, str] = {}
    columns = lines[0].replace('"', "").split(",")
    rows = _csv_media(file, lines) if is_csv(file, lines) or "template" in columns else _ijb_media(file, lines)
    for line, name, template, medium, subject in rows:
        try:
            photo = inside(name)
        except ValueError as error:
            raise ConfigError(f"{file}: line {line}: {error}") from error
        if subject and subjects.setdefault(template, subject) != subject:
            raise ConfigError(f"{file}: line {line}: template {template} is of {subjects[template]} and of {subject}")
        photos[template][medium or f"photo {photo}"].append(photo)
    if not photos:
        raise ConfigError(f"{file}: names no photos")
    return Media({template: dict(media) for template, media in photos.items()}, subjects)


_Row = tuple[int, str, str, str, str]


def _csv_media(file: Path, lines: Sequence[str]) -> list[_Row]:
    rows = rows_of(file, lines, ("photo", "template"))
    return [(n, row["photo"], row["template"], row.get("medium", ""), row.get("subject", "")) for n, row in rows]


def _ijb_media(file: Path, lines: Sequence[str]) -> list[_Row]:
    rows = []
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if fields and len(fields) != 3:
            raise ConfigError(f"{file}: line {number} is not `NAME TEMPLATE MEDIUM`")
        if fields:
            rows.append((number, fields[0], fields[1], fields[2], ""))
    return rows


def read_template_pairs(file: Path, media: Media) -> list[Pair]:
    """Reads which templates are compared.

    Args:
        file: IJB's `TEMPLATE TEMPLATE 1|0` a line (ijbc_template_pair_label.txt), or a CSV with the columns a, b,
            mated; every other column is a group.
        media: The templates there are.

    Raises:
        ConfigError: It cannot be read, or names a template that is not there; names the line.
    """
    lines = lines_of(file, "a list of pairs of templates")
    pairs = []
    for number, a, b, mated, groups in _csv_pairs(file, lines) if is_csv(file, lines) else _ijb_pairs(file, lines):
        if missing := [template for template in (a, b) if template not in media.photos]:
            raise ConfigError(f"{file}: line {number}: there is no template {missing[0]} in the list of media")
        pair = Pair(a, b, mated, None, groups, media.subjects.get(a, ""), media.subjects.get(b, ""))
        pairs.append(pair)
    return both_kinds(file, pairs)


_Compared = tuple[int, str, str, bool, tuple[tuple[str, str], ...]]


def _csv_pairs(file: Path, lines: Sequence[str]) -> list[_Compared]:
    return [
        (n, r["a"], r["b"], truth(file, n, r["mated"]), tuple(i for i in r.items() if i[0] not in ("a", "b", "mated")))
        for n, r in rows_of(file, lines, ("a", "b", "mated"))
    ]


def _ijb_pairs(file: Path, lines: Sequence[str]) -> list[_Compared]:
    rows = list[_Compared]()
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if fields and (len(fields) != 3 or fields[2] not in ("0", "1")):
            raise ConfigError(f"{file}: line {number} is not `TEMPLATE TEMPLATE 1` or `TEMPLATE TEMPLATE 0`")
        if fields:
            rows.append((number, fields[0], fields[1], fields[2] == "1", ()))
    return rows


def fuse(media: Media, found: Mapping[str, F32 | PhotoError]) -> dict[str, F32 | PhotoError]:
    """One vector for each template: the mean of its media, each the mean of its photos; (D,) float32 of unit length.

    A template of which no photo could be used is a failure to enrol.
    """
    return {template: _fused(template, photos, found) for template, photos in media.photos.items()}


def _fused(
    template: str, photos: Mapping[str, Sequence[str]], found: Mapping[str, F32 | PhotoError]
) -> F32 | PhotoError:
    means = []
    for names in photos.values():
        vectors = [one for name in names if not isinstance(one := found[name], PhotoError)]
        if vectors:
            means.append(np.mean(np.stack(vectors), axis=0, dtype=np.float64))
    total = np.sum(means, axis=0) if means else np.zeros(1)
    length = float(np.linalg.norm(total))
    if length < 1e-9:
        return NoFaceError(f"template {template}: none of its photos could be used")
    vector: F32 = (total / length).astype(np.float32)
    return vector
