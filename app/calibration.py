"""Photos with known people for calibration, from a folder or the gallery itself; and what becomes of the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from app.evaluation.folders import people_in
from app.services import Services
from pipeline.calibration import Calibration, Photos, Wanted, calibrate, require_support
from pipeline.calibration.records import KIND, from_document, merged, to_document
from pipeline.decide import choose_identify_point, choose_verify_point
from pipeline.errors import CalibrationError, PhotoError, PhotoNotFoundError
from pipeline.gallery.fusion import fuse
from pipeline.images import one_line
from pipeline.recognizer import no_face
from pipeline.types import OperatingPoint

if TYPE_CHECKING:
    from pipeline.calibration import Compared
    from pipeline.gallery import Gallery
    from pipeline.images import Photo
    from pipeline.recognizer import Faces

#: A gallery grows: besides its present size, identify is calibrated for these multiples, as far as the data reach.
GROWTH = (1, 2, 5, 10)
Brought = TypeVar("Brought")
Watch = Callable[[Sequence[tuple[int, Brought]]], Iterable[tuple[int, Brought]]]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Photos to calibrate on, and what became of the others.

    Attributes:
        photos: The photos.
        failures: Why some could not be used: the error's code and how often.
        repeated: Files left out because they are copies of another photo of the same person.
    """

    photos: Photos
    failures: dict[str, int]
    repeated: int = 0

    @property
    def people(self) -> int:
        """People with a usable photo."""
        return len(np.unique(self.photos.owners[self.photos.usable]))


def from_folder(services: Services, folder: Path, watch: Watch[str] = lambda items: items) -> Source:
    """Analyses FOLDER/PERSON/*.jpg; of a photo with several faces the most prominent one counts, of copies the first.

    Args:
        services: Recognizer and settings.
        folder: A folder with a sub-folder per person.
        watch: Passes the photos through, to show progress.

    Raises:
        ConfigError: It holds no photos in sub-folders.
        CalibrationError: One photo stands under two people.
    """
    return of_people(services, people_in(folder), lambda photo: services.open(folder / photo), folder.name, watch=watch)


def of_people(
    services: Services,
    people: Mapping[str, Sequence[Brought]],
    opened: Callable[[Brought], Photo],
    data: str,
    *,
    watch: Watch[Brought] = lambda items: items,
    workers: int | None = None,
) -> Source:
    """Analyses photos of people, wherever they are. Of several faces the most prominent counts, of copies the first.

    Args:
        services: Recognizer and settings.
        people: Photos of each person.
        opened: Opens one; a PhotoError it raises makes that photo a failed one.
        data: What the data are called.
        watch: Passes the photos through, to show progress.
        workers: Parallel streams; by default as the settings say.

    Raises:
        CalibrationError: One photo stands under two people.
    """
    items = [(row, photo) for row, photos in enumerate(people.values()) for photo in photos]
    dimension = services.recognizer.dimension
    vectors, norms = np.zeros((len(items), dimension), np.float32), np.zeros(len(items), np.float32)
    usable, failures = np.zeros(len(items), np.bool_), Counter[str]()
    kept, seen = np.ones(len(items), np.bool_), dict[str, tuple[int, str]]()
    stream = services.recognizer.stream(
        watch(items), lambda item: opened(item[1]), workers=workers or services.settings.worker_count
    )
    for row, ((owner, _), found) in enumerate(stream):
        face = _only(found)
        if isinstance(face, PhotoError):
            failures[face.code] += 1
            continue
        first = seen.setdefault(face.photo_sha256, (row, face.source))
        kept[row] = not _is_copy((row, owner, face.source), (first[0], items[first[0]][0], first[1]))
        vectors[row], norms[row] = face.templates.vectors[0], face.templates.norms[0]
        usable[row] = True
    owners = np.array([owner for owner, _ in items], np.int32)
    model_id = services.recognizer.model_id
    photos = Photos(vectors[kept], norms[kept], owners[kept], usable[kept], list(people), model_id, one_line(data))
    return Source(photos, dict(failures), int((~kept).sum()))


def _is_copy(photo: tuple[int, int, str], first: tuple[int, int, str]) -> bool:
    """Whether a photo is a copy of the first one with these bytes, which would score 1 with it and teach nothing.

    Args:
        photo: Its row, its person's row, and what it is called.
        first: The same of the first one.
    """
    if photo[1] != first[1]:
        raise CalibrationError(
            f"{one_line(photo[2])} is the same photo as {one_line(first[2])}, under another person's name: "
            "remove one of them, or join the two folders if they show one person"
        )
    return photo[0] != first[0]


def _only(found: Faces | PhotoError) -> Faces | PhotoError:
    if isinstance(found, PhotoError) or len(found):
        return found
    return no_face(found.source)


def from_gallery(services: Services) -> Source:
    """The templates that are enrolled. Errors: `of_gallery`."""
    return of_gallery(services.gallery)


def of_gallery(gallery: Gallery) -> Source:
    """The templates of a gallery's model.

    Raises:
        CalibrationError: Nobody is enrolled, or nobody with a template of that model.
    """
    rows = gallery.templates()
    if not rows:
        enrolled = len(gallery)
        who = f"none of the {enrolled} enrolled here has a template of {gallery.model_id}: enrol them again"
        nobody = "nobody is enrolled in this gallery: enrol people"
        raise CalibrationError(f"{who if enrolled else nobody}, or give --folder DIR")
    names = sorted({row.subject for row in rows})
    place = {name: number for number, name in enumerate(names)}
    photos = Photos(
        np.stack([row.vector for row in rows]),
        np.array([row.norm for row in rows], np.float32),
        np.array([place[row.subject] for row in rows], np.int32),
        np.ones(len(rows), np.bool_),
        names,
        gallery.model_id,
        "the gallery's own photos",
    )
    return Source(photos, {})


def run(
    source: Source,
    *,
    fmrs: Sequence[float],
    fpirs: Sequence[float],
    sizes: Sequence[int],
    enrolled: int,
    fused: bool = False,
    card: str | None = None,
    compared: Compared | None = None,
) -> Calibration:
    """Calibrates on photos.

    Args:
        source: The photos.
        fmrs: Rates for verify.
        fpirs: Rates for identify, at each of `sizes`.
        sizes: Subjects in the gallery.
        enrolled: Photos of a subject in the gallery.
        fused: The gallery is searched by one template fused over those, as the setting `subject_score` says.
        card: Make points for a card, which will say that they were measured on data of this name.
        compared: The comparisons, where they are known already.
    """
    photos = source.photos if card is None else replace(source.photos, data=card)
    today = datetime.now(UTC).date().isoformat()
    basis = f"{today} on {source.people} people" if card is None else card
    source_kind: Literal["card", "calibration"] = "calibration" if card is None else "card"
    wanted = Wanted(fmrs, fpirs, sizes, enrolled, fuse if fused else None, source_kind, basis, today)
    return calibrate(photos, wanted, compared)


def count_people(folder: Path) -> int:
    """People with a photo below a folder.

    Raises:
        PhotoNotFoundError: There is no such folder.
        ConfigError: It holds no photos in sub-folders.
    """
    if not folder.is_dir():
        raise PhotoNotFoundError(f"{one_line(str(folder))}: there is no such folder; check --folder")
    return len(people_in(folder))


def require(fmrs: Sequence[float], fpirs: Sequence[float], sizes: Sequence[int], people: int) -> None:
    """Refuses rates that so many people cannot show.

    Raises:
        CalibrationError: As `require_support`.
    """
    for rate, size in [(rate, 1) for rate in fmrs] + [(rate, size) for rate in fpirs for size in sizes]:
        require_support(rate, size, people // 2, people // 2, people)


def sizes_for(size: int, fpirs: Sequence[float], people: int) -> list[int]:
    """This gallery size, and the larger ones of GROWTH that so many people can be calibrated for."""
    reached = [size]
    for factor in GROWTH[1:]:
        try:
            require((), fpirs, [size * factor], people)
        except CalibrationError:
            break
        reached.append(size * factor)
    return reached


def from_card(services: Services, fmrs: Sequence[float], fpirs: Sequence[float], size: int) -> list[OperatingPoint]:
    """The card's points for these rates, identify for galleries of `size` and larger: the largest that is no laxer.

    Raises:
        NoOperatingPointError: The card has none that is so strict.
    """
    points, model_id = services.points, services.recognizer.model_id
    chosen = [choose_verify_point(points, model_id, rate) for rate in fmrs]
    larger = sorted({p.gallery_size for p in points if p.gallery_size is not None and p.gallery_size > size})
    for rate in fpirs:
        chosen += [choose_identify_point(points, model_id, rate, subjects) for subjects in (size, *larger)]
    return [replace(point, source="chosen") for point in dict.fromkeys(chosen)]


def keep(services: Services, points: Sequence[OperatingPoint]) -> None:
    """Stores operating points with the gallery, in place of earlier ones for the same task."""
    services.update_document(KIND, lambda old: to_document(merged(from_document(old), points)))


def clear(services: Services) -> bool:
    """Forgets the gallery's own operating points; returns whether there were any."""
    return services.drop_document(KIND)
