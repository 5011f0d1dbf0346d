"""Templates of photos, embedded once each; from the photo through detection, or from aligned crops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np

from app.evaluation.cache import EmbeddingCache
from app.services import Services
from pipeline.errors import PhotoError, PhotoFormatError
from pipeline.images import Photo
from pipeline.recognizer import Faces, no_face
from pipeline.types import F32, AlignedFaces

Found = dict[str, F32 | PhotoError]
Opener = Callable[[str], Photo]

_PART = 128  # looked up in the cache, embedded and kept together
_CROPS = 16


def embed_photos(services: Services, folder: Path, names: Iterable[str]) -> Found:
    """Template of the most prominent face of each photo of a folder, (D,) float32, or why there is none."""
    return embed(services, names, lambda name: services.open(folder / name))


def embed(
    services: Services,
    names: Iterable[str],
    opener: Opener,
    *,
    aligned: bool = False,
    cache: EmbeddingCache | None = None,
) -> Found:
    """Template of each named photo, or why there is none.

    Args:
        services: Recognizer and settings.
        names: Of the photos.
        opener: Opens a photo by its name; a PhotoError it raises is that photo's result.
        aligned: The photos are crops already, of the size the embedder takes: nothing is detected.
        cache: Where templates are kept between runs; None for nowhere.

    Returns:
        By name, (D,) float32 of unit length, or the error.
    """
    make = _embed_crops if aligned else _embed_most_prominent
    iterator, found = iter(names), Found()
    while part := list(islice(iterator, _PART)):
        hashes: dict[str, str] = {}
        if cache:
            hashes = _hashes(part, opener, found)
            known = cache.get(hashes.values())
            for name, sha256 in hashes.items():
                if sha256 in known:
                    vector = known[sha256]
                    found[name] = no_face(name) if vector is None else vector
        fresh = dict(make(services, [name for name in part if name not in found], opener))
        found.update(fresh)
        if cache:
            cache.put((hashes[name], result) for name, result in fresh.items())
    return found


def _hashes(names: Iterable[str], opener: Opener, found: Found) -> dict[str, str]:
    """SHA-256 of each photo's bytes; a photo that cannot be opened goes to `found` at once."""
    hashes = {}
    for name in names:
        try:
            hashes[name] = opener(name).sha256
        except PhotoError as error:
            found[name] = error
    return hashes


def _embed_most_prominent(
    services: Services, names: list[str], opener: Opener
) -> Iterator[tuple[str, F32 | PhotoError]]:
    for name, faces in services.recognizer.stream(names, opener, workers=services.settings.worker_count):
        if isinstance(faces, Faces):
            yield name, faces.templates.vectors[0] if len(faces) else no_face(name)
        else:
            yield name, faces


def _embed_crops(services: Services, names: list[str], opener: Opener) -> Iterator[tuple[str, F32 | PhotoError]]:
    parts = [names[start : start + _CROPS] for start in range(0, len(names), _CROPS)]
    with ThreadPoolExecutor(services.settings.worker_count, thread_name_prefix="embed") as pool:
        for rows in pool.map(lambda part: _embed_part(services, part, opener), parts):
            yield from rows


def _embed_part(services: Services, names: list[str], opener: Opener) -> list[tuple[str, F32 | PhotoError]]:
    side, crops, results = services.recognizer.crop_size, [], dict[str, F32 | PhotoError]()
    for name in names:
        try:
            pixels = opener(name).pixels()
            if pixels.shape != (side, side, 3):
                size = f"{pixels.shape[1]}x{pixels.shape[0]}"
                raise PhotoFormatError(
                    f"{name}: is {size} pixels, not an aligned crop of {side}x{side}; leave out --aligned"
                )
            crops.append((name, pixels))
        except PhotoError as error:
            results[name] = error
    if crops:
        stack = np.stack([pixels for _, pixels in crops])
        templates = services.recognizer.embed_aligned(AlignedFaces(stack, np.zeros((len(crops), 2, 3), np.float32)))
        results.update((name, vector) for (name, _), vector in zip(crops, templates.vectors, strict=True))
    return list(results.items())
