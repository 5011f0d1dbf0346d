"""Aligned faces of known people: for calibration, and for the parity report; never the same ones for both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.evaluation.folders import people_in
from app.photos import open_source
from pipeline.build import build_cropper
from pipeline.config import Settings
from pipeline.errors import ConfigError, PhotoError, PhotoFormatError
from pipeline.images import Photo, one_line
from pipeline.recognizer import Faces
from pipeline.types import Image
from pipeline.weights.card import Card
from pipeline.weights.samples import present_samples

#: No more faces than these are looked at: more change nothing, and take time.
CALIBRATION_FACES, PARITY_FACES = 512, 2000
Item = tuple[str, Path]
Watch = Callable[[Sequence[Item], str], Iterable[Item]]


@dataclass(frozen=True, slots=True, eq=False)
class FaceSet:
    """Aligned faces and whose they are.

    Attributes:
        crops: (N, S, S, 3) uint8 RGB.
        owners: (N,) the person of each, as a number.
        names: What each photo is called, relative to its folder.
        data: Where they come from, in words; no path.
        failed: Photos that could not be used.
    """

    crops: Image
    owners: npt.NDArray[np.intp]
    names: tuple[str, ...]
    data: str
    failed: int = 0

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def people(self) -> int:
        """How many people."""
        return len(np.unique(self.owners))

    def rows(self, keep: npt.NDArray[np.bool_]) -> FaceSet:
        """Those of which `keep`, (N,) bool, is true."""
        names = tuple(name for name, kept in zip(self.names, keep, strict=True) if kept)
        return FaceSet(self.crops[keep], self.owners[keep], names, self.data, self.failed)

    def without(self, others: FaceSet) -> FaceSet:
        """Those that are not, to the pixel, among `others`."""
        known = {crop.tobytes() for crop in others.crops}
        return self.rows(np.array([crop.tobytes() not in known for crop in self.crops], np.bool_))

    def at_most(self, count: int) -> FaceSet:
        """Evenly spread ones where there are more."""
        if len(self) <= count:
            return self
        keep = np.zeros(len(self), np.bool_)
        keep[np.linspace(0, len(self) - 1, count).round().astype(np.intp)] = True
        return self.rows(keep)


class FaceReader:
    """Finds, refines and aligns faces as the pipeline does, or takes them as they are.

    Args:
        settings: Detector, refiner, limits.
        card: Of the embedder they are for.
        aligned: The photos are aligned crops.
        watch: Passes photos through, told for what, to show progress.
    """

    def __init__(self, settings: Settings, card: Card, *, aligned: bool, watch: Watch) -> None:
        self._settings, self._card, self._aligned, self._watch = settings, card, aligned, watch

    def folder(self, folder: Path, what: str) -> FaceSet:
        """The most prominent face of each photo in FOLDER/PERSON/.

        Raises:
            ConfigError: There are no photos in sub-folders, or none shows a face.
        """
        items = [(name, folder / name) for names in people_in(folder).values() for name in names]
        return self._read([(name.split("/")[0], (name, file)) for name, file in items], one_line(folder.name), what)

    def samples(self, role: str | None, what: str) -> FaceSet:
        """The sample photos of a role (`enrol` or `probe`), or all of them.

        Raises:
            ConfigError: They were not fetched.
        """
        found = next((here for place in sample_places(self._settings) if (here := present_samples(place))), [])
        chosen = [sample for sample in found if role in (None, sample.role)]
        if not chosen:
            option = "--calibration-photos" if what == "calibration" else "--parity-photos"
            purpose = "calibrate int8 with" if what == "calibration" else "compare on"
            raise ConfigError(
                f"no photos to {purpose}: name a folder with a sub-folder per person ({option} DIR; the same folder "
                "may serve for both), or fetch the sample photos with `knownface demo`"
            )
        if self._aligned:
            raise ConfigError("--aligned goes with --parity-photos; the sample photos are whole photos")
        data = f"Knownface's sample photos{f' ({role} photos)' if role else ''}"
        return self._read([(sample.person, (sample.path.name, sample.path)) for sample in chosen], data, what)

    def _read(self, items: Sequence[tuple[str, Item]], data: str, what: str) -> FaceSet:
        people = {person: number for number, person in enumerate(dict.fromkeys(person for person, _ in items))}
        owner_of = {item[1]: people[person] for person, item in items}
        watched = self._watch([item for _, item in items], what)
        crops, names, owners, failed = [], [], [], 0
        for (name, file), crop in self._crops(watched) if self._aligned else self._found(watched):
            if crop is None:
                failed += 1
            else:
                crops.append(crop)
                names.append(name)
                owners.append(owner_of[file])
        if not crops:
            raise ConfigError(f"{data}: no photo in it shows a face")
        return FaceSet(np.stack(crops), np.array(owners, np.intp), tuple(names), data, failed)

    def _found(self, items: Iterable[Item]) -> Iterable[tuple[Item, Image | None]]:
        recognizer, _ = build_cropper(self._settings, self._card.preprocessing.template)
        workers = self._settings.worker_count
        for item, faces in recognizer.stream(items, lambda item: self._open(item[1]), workers=workers):
            yield item, faces.aligned.crops[0] if isinstance(faces, Faces) and len(faces) else None

    def _crops(self, items: Iterable[Item]) -> Iterable[tuple[Item, Image | None]]:
        side = self._card.preprocessing.input_hw[0]
        for item in items:
            try:
                pixels = self._open(item[1]).pixels()
            except PhotoError:
                yield item, None
                continue
            if pixels.shape != (side, side, 3):
                raise PhotoFormatError(
                    f"{one_line(item[0])}: is not an aligned crop of {side}x{side}; leave out --aligned"
                )
            yield item, pixels

    def _open(self, file: Path) -> Photo:
        opener = partial(open_source, max_bytes=self._settings.max_bytes, max_pixels=self._settings.max_pixels)
        return opener(file)


def sample_places(settings: Settings) -> list[Path]:
    """Where `knownface demo` and the tests keep the sample photos."""
    return [settings.home / "samples", settings.home / "demo", Path(__file__).resolve().parents[2] / "data" / "demo"]


def faces_for(
    reader: FaceReader, parity: Path | None, calibration: Path | None, *, calibrate: bool
) -> tuple[FaceSet, FaceSet | None]:
    """Faces for the parity report, and, where `calibrate`, other ones for calibration.

    Where one folder is named for both, every fourth person's faces are for calibration. Without folders the sample
    photos serve: the enrolment photos for calibration, the others for the report.

    Raises:
        ConfigError: There are none, or none is left for the report.
    """
    if not calibrate:
        faces = reader.folder(parity, "parity") if parity else reader.samples(None, "parity")
        return faces.at_most(PARITY_FACES), None
    if parity and calibration and parity.resolve() == calibration.resolve():
        every = reader.folder(parity, "faces")
        chosen = every.owners % 4 == 0
        return every.rows(~chosen).at_most(PARITY_FACES), every.rows(chosen).at_most(CALIBRATION_FACES)
    used = reader.folder(calibration, "calibration") if calibration else reader.samples("enrol", "calibration")
    shown = reader.folder(parity, "parity") if parity else reader.samples("probe", "parity")
    used = used.at_most(CALIBRATION_FACES)
    shown = shown.without(used).at_most(PARITY_FACES)
    if not len(shown):
        raise ConfigError("every face of --parity-photos is among the calibration faces: name other photos for one")
    return shown, used
