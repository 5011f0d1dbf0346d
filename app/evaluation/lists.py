"""Lists of pairs: LFW's pairs.txt, CFP's frontal-profile protocol, and CSV."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from app.evaluation.records import Pair
from pipeline.errors import ConfigError

#: Largest list that is read, in bytes.
LIST_BYTES = 256 << 20
_TRUE, _FALSE = {"1", "true", "yes", "mated", "same"}, {"0", "false", "no", "non_mated", "different"}
_OWN = {"a", "b", "mated", "fold", "subject_a", "subject_b", "score", "failure"}


def read_pairs(file: Path, *, cfp: str = "FP") -> list[Pair]:
    """Reads a list of pairs, in whichever form it is.

    Args:
        file: LFW's pairs.txt (View 1: a first line `N`; View 2: `folds N`; then `NAME i j` mated, `NAME i NAME j`
            non-mated), a CSV with the columns a, b, mated, or CFP's folder `Protocol`.
        cfp: Of CFP, `FP` (frontal-profile) or `FF` (frontal-frontal).

    Raises:
        ConfigError: It cannot be read, or a line has another form; names the file and the line.
    """
    if file.is_dir():
        pairs = _read_cfp(file, cfp)
    else:
        lines = lines_of(file, "a list of pairs in LFW's form, or a CSV with the columns a, b, mated")
        pairs = _read_csv(file, lines) if is_csv(file, lines) else _read_lfw(file, lines)
    return both_kinds(file, pairs)


def both_kinds(file: Path, pairs: list[Pair]) -> list[Pair]:
    """The same pairs.

    Raises:
        ConfigError: All of them are mated, or none is.
    """
    if not any(pair.mated for pair in pairs) or all(pair.mated for pair in pairs):
        raise ConfigError(f"{file}: both mated and non-mated pairs are needed")
    return pairs


def lines_of(file: Path, wanted: str) -> list[str]:
    """The lines of a text file in UTF-8, of a regular file only.

    Args:
        file: The list.
        wanted: What it should be, for the message.

    Raises:
        ConfigError: It is missing, no regular file, too large, or no text.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise ConfigError(f"{file}: is not a file; give {wanted}")
        with file.open("rb") as stream:
            data = stream.read(LIST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{file}: cannot be read ({reason}); give {wanted}") from error
    if len(data) > LIST_BYTES:
        raise ConfigError(f"{file}: has more than {LIST_BYTES >> 20} MB, the limit of a list; split it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not a text file in UTF-8; give {wanted}") from error
    if "\0" in text:
        raise ConfigError(f"{file}: is not a text file (it has NUL characters); give {wanted}")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def inside(name: str) -> str:
    """The name of a photo, which must stay inside the folder of photos.

    Raises:
        ValueError: It is empty, absolute, or climbs out.
    """
    path = PurePosixPath(name.replace(os.sep, "/"))
    if not path.name or path.is_absolute() or ".." in path.parts or Path(name).is_absolute() or "\\" in name:
        raise ValueError(f"{name!r} is not the name of a photo inside the folder")
    return str(path)


# --- LFW -------------------------------------------------------------------------------------------------------------


def _read_lfw(file: Path, lines: Sequence[str]) -> list[Pair]:
    pairs, header = list[Pair](), list[str]()
    for number, line in enumerate(lines, 1):
        fields = line.split("\t") if "\t" in line else line.split()
        if not line.strip():
            continue
        if number == 1 and len(fields) <= 2 and all(_is_number(field) for field in fields):
            header = fields
            continue
        try:
            if len(fields) == 3:
                pairs.append(Pair(_lfw(fields[0], fields[1]), _lfw(fields[0], fields[2]), True))
            else:
                one, i, other, j = fields
                pairs.append(Pair(_lfw(one, i), _lfw(other, j), False))
        except ValueError as error:
            raise ConfigError(f"{file}: line {number} is neither `NAME i j` nor `NAME i NAME j`") from error
    if len(header) == 2 and (folds := int(header[0])) * int(header[1]) * 2 == len(pairs):
        size = 2 * int(header[1])
        pairs = [Pair(p.a, p.b, p.mated, fold=row // size) for row, p in enumerate(pairs)] if folds > 1 else pairs
    return pairs


def _lfw(name: str, number: str) -> str:
    if "/" in name or "\\" in name or name in ("", ".", "..") or not _is_number(number):
        raise ValueError("a name cannot be a path")
    return f"{name}/{name}_{int(number):04d}.jpg"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


# --- CFP -------------------------------------------------------------------------------------------------------------


def _read_cfp(folder: Path, kind: str) -> list[Pair]:
    """Pair_list_F.txt and Pair_list_P.txt number the photos; Split/KIND/NN/same.txt and diff.txt pair the numbers."""
    frontal = _cfp_photos(folder / "Pair_list_F.txt")
    other = frontal if kind == "FF" else _cfp_photos(folder / "Pair_list_P.txt")
    splits = sorted(path for path in (folder / "Split" / kind).glob("*") if path.is_dir())
    if not splits:
        raise ConfigError(f"{folder}: holds no Split/{kind}/01 and so on; give CFP's folder `Protocol`")
    pairs = []
    for fold, split in enumerate(splits):
        for name, mated in (("same.txt", True), ("diff.txt", False)):
            file = split / name
            for number, line in enumerate(lines_of(file, "CFP's list of pairs"), 1):
                if not line.strip():
                    continue
                try:
                    i, j = (int(field) for field in line.split(","))
                    (a, subject_a), (b, subject_b) = frontal[i], other[j]
                except (ValueError, KeyError) as error:
                    raise ConfigError(
                        f"{file}: line {number} is not `i,j`, two numbers of CFP's photo lists"
                    ) from error
                pairs.append(Pair(a, b, mated, fold, subject_a=subject_a, subject_b=subject_b))
    return pairs


def _cfp_photos(file: Path) -> dict[int, tuple[str, str]]:
    """Number -> photo and subject. CFP writes paths as seen from `Protocol`: `../Data/Images/001/frontal/01.jpg`."""
    photos = {}
    for number, line in enumerate(lines_of(file, "CFP's list of photos"), 1):
        if not line.strip():
            continue
        try:
            index, path = line.split(maxsplit=1)
            name = inside(path.strip().removeprefix("../"))
            photos[int(index)] = name, PurePosixPath(name).parent.parent.name
        except ValueError as error:
            raise ConfigError(f"{file}: line {number} is not `number ../Data/Images/001/frontal/01.jpg`") from error
    return photos


# --- CSV -------------------------------------------------------------------------------------------------------------


def is_csv(file: Path, lines: Sequence[str]) -> bool:
    """Whether a list is a CSV: by its name, or by the columns its first line names."""
    return file.suffix.lower() == ".csv" or {"a", "b", "mated"} <= set(lines[0].replace('"', "").split(","))


def rows_of(file: Path, lines: Sequence[str], needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV, each with its line number, by column.

    Raises:
        ConfigError: A column is missing or named twice, or a row has another number of fields.
    """
    reader = csv.reader(lines, strict=True)
    rows = []
    try:
        columns = [column.strip() for column in next(reader, [])]
        if missing := [column for column in needed if column not in columns]:
            raise ConfigError(f"{file}: line 1 does not name the column {missing[0]}; needed: {', '.join(needed)}")
        if len(set(columns)) != len(columns):
            raise ConfigError(f"{file}: line 1 names a column twice")
        for row in reader:
            if not row:
                continue
            if len(row) != len(columns):
                raise ConfigError(f"{file}: line {reader.line_num} has {len(row)} fields, not {len(columns)}")
            rows.append((reader.line_num, dict(zip(columns, (field.strip() for field in row), strict=True))))
    except csv.Error as error:
        raise ConfigError(f"{file}: line {reader.line_num} is not CSV ({error})") from error
    return rows


def truth(file: Path, line: int, text: str) -> bool:
    """Whether a column `mated` says yes.

    Raises:
        ConfigError: It says neither yes nor no.
    """
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ConfigError(f"{file}: line {line}: mated is {text!r}, not 1 or 0")


def _read_csv(file: Path, lines: Sequence[str]) -> list[Pair]:
    """Columns a, b, mated; optional fold, subject_a, subject_b; every other column is a group."""
    pairs = []
    for line, row in rows_of(file, lines, ("a", "b", "mated")):
        fold = row.get("fold", "")
        if fold and not _is_number(fold):
            raise ConfigError(f"{file}: line {line}: fold is {fold!r}, not a number")
        try:
            a, b = inside(row["a"]), inside(row["b"])
        except ValueError as error:
            raise ConfigError(f"{file}: line {line}: {error}") from error
        pairs.append(
            Pair(
                *(a, b, truth(file, line, row["mated"])),
                fold=int(fold) if fold else None,
                groups=tuple((column, value) for column, value in row.items() if column not in _OWN),
                subject_a=row.get("subject_a", ""),
                subject_b=row.get("subject_b", ""),
            )
        )
    return pairs
