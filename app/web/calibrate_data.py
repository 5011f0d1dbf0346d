"""People to calibrate on: those of the gallery, those of an uploaded zip, or those of a folder of the server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import calibration
from app.batch import allowed_folder
from app.calibration import Source
from app.evaluation.folders import people_in
from app.photos import Upload
from app.services import Services
from app.web import archive, markup
from app.web.archive import Member
from app.web.texts import words
from app.web.turns import Turns
from pipeline.calibration import Calibration, Compared, compare
from pipeline.errors import CalibrationError
from pipeline.gallery.fusion import fuse
from pipeline.images import Photo

#: Photos that are compared for a page; of more, people are drawn by chance. Some 85 MB; the command line takes more.
MOST_PHOTOS = 2000
_KEPT = "kf_calibrate"
_ONE = Turns(1)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """People whose photos have been compared.

    Attributes:
        source: The photos.
        compared: The comparisons.
        enrolled: Photos of a subject in the gallery.
    """

    source: Source
    compared: Compared
    enrolled: int

    @property
    def people(self) -> int:
        """How many were compared."""
        return self.compared.fit.verify.subjects + self.compared.check.verify.subjects

    def calibrate(self, services: Services, fmrs: Sequence[float], fpirs: Sequence[float], size: int) -> Calibration:
        """Points for these rates; identify for a gallery of `size` and, as far as the photos reach, larger ones.

        Raises:
            CalibrationError: So many people cannot show a rate.
        """
        sizes = calibration.sizes_for(size, fpirs, self.people) if fpirs else []
        fused = services.settings.subject_score == "fused"
        return calibration.run(
            self.source,
            fmrs=fmrs,
            fpirs=fpirs,
            sizes=sizes,
            enrolled=self.enrolled,
            fused=fused,
            compared=self.compared,
        )


def of_gallery(services: Services) -> Measured:
    """The people who are enrolled. Errors: `calibration.from_gallery`."""
    key = ("gallery", services.recognizer.model_id, services.gallery.generation)
    return _once(services, key, lambda: calibration.from_gallery(services))


def of_zip(services: Services, file: UploadedFile) -> Measured | None:
    """The people of a zip with a folder for each; None where it holds nobody.

    Raises:
        CalibrationError: More photos than are looked at here, or one photo under two people.
        PhotoError: The zip cannot be read.
    """
    people = people_of(list(archive.members(file, services.settings.max_bytes)))
    if not people:
        st.html(markup.note("warn", markup.fill(words.calibrate_zip_empty, name=file.name)))
        return None
    _few_enough(people)
    reading = threading.Lock()  # the zip has one place at which it is read

    def opened(photo: Member) -> Photo:
        with reading:
            data = photo.getvalue()
        return services.open(Upload(photo.name, data))

    def looked() -> Source:
        workers = max(1, services.settings.worker_count // 2)
        return calibration.of_people(services, people, opened, file.name, watch=_watched, workers=workers)

    return _once(services, ("zip", services.recognizer.model_id, file.file_id), looked)


def of_folder(services: Services, text: str) -> Measured:
    """The people of a folder of this machine with a folder for each.

    Raises:
        NotAllowedError: The actor is no operator.
        PhotoUnreadableError, ConfigError, CalibrationError: It cannot be used.
    """
    folder = allowed_folder(services, text)
    people = people_in(folder)
    _few_enough(people)

    def looked() -> Source:
        workers = max(1, services.settings.worker_count // 2)
        return calibration.of_people(
            services,
            people,
            lambda photo: services.open(folder / photo),
            folder.name,
            watch=_watched,
            workers=workers,
        )

    return _once(services, ("folder", services.recognizer.model_id, str(folder)), looked)


def people_of(members: Sequence[Member]) -> dict[str, list[Member]]:
    """The photos of a zip by person: the folder that tells them apart; photos outside of such a folder are left out."""
    paths = [(member, [part for part in member.name.replace("\\", "/").split("/") if part]) for member in members]
    paths = [(member, parts) for member, parts in paths if len(parts) > 1]
    while paths and len({parts[0] for _, parts in paths}) == 1 and all(len(parts) > 2 for _, parts in paths):
        paths = [(member, parts[1:]) for member, parts in paths]
    people: dict[str, list[Member]] = {}
    for member, parts in sorted(paths, key=lambda row: row[1]):
        people.setdefault(parts[0], []).append(member)
    return people


def _few_enough(people: Mapping[str, Sequence[object]]) -> None:
    count = sum(map(len, people.values()))
    if count > MOST_PHOTOS:
        raise CalibrationError(
            f"{count:,} photos are more than the page looks at ({MOST_PHOTOS:,}): take fewer, or use the command line, "
            "`knownface calibrate --folder DIR`"
        )


def _once(services: Services, key: tuple[object, ...], looked: Callable[[], Source]) -> Measured:
    """What was compared, remembered for the session: the last one only."""
    people = len(services.gallery)
    enrolled = max(1, round(services.gallery.sample_count / people)) if people else 1
    key = (*key, enrolled, services.settings.subject_score)
    found = st.session_state.get(_KEPT)
    if found is not None and found[0] == key:
        measured: Measured = found[1]
        return measured
    st.session_state.pop(_KEPT, None)
    with _ONE.turn(), st.spinner(words.calibrate_comparing):
        source = looked()
        how = fuse if services.settings.subject_score == "fused" else None
        measured = Measured(source, compare(source.photos, enrolled, how, most=MOST_PHOTOS), enrolled)
    st.session_state[_KEPT] = (key, measured)
    return measured


def _watched(items: Sequence[Item]) -> Iterator[Item]:
    bar = st.progress(0.0, text=words.looking)
    for number, item in enumerate(items, 1):
        yield item
        bar.progress(number / len(items), text=words.working.format(number=number, total=len(items)))
    bar.empty()
