"""Folders made for the benchmarks of runs: large photos, and a folder with everything that folders have."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

_HEIGHT, _WIDTH = 3000, 4000


def large_photos(folder: Path, count: int, sources: list[Path]) -> list[Path]:
    """12-megapixel JPEGs: a photo enlarged into a scene of smooth colour with the grain of a sensor."""
    folder.mkdir(parents=True)
    made = []
    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = rng.integers(40, 220, (6, 8, 3), dtype=np.uint8)
        scene = cv2.resize(coarse, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC)
        side = int(rng.integers(1200, 2200))  # of the LFW photo; its face takes about four tenths of it
        photo = cv2.resize(cv2.imread(str(sources[number % len(sources)])), (side, side), interpolation=cv2.INTER_CUBIC)
        y, x = int(rng.integers(0, _HEIGHT - side)), int(rng.integers(0, _WIDTH - side))
        scene[y : y + side, x : x + side] = photo
        grain = rng.integers(-6, 7, scene.shape, dtype=np.int16)
        scene = np.clip(scene.astype(np.int16) + grain, 0, 255).astype(np.uint8)
        file = folder / f"{number:04d}.jpg"
        cv2.imwrite(str(file), scene, [cv2.IMWRITE_JPEG_QUALITY, 90])
        made.append(file)
    return made


def distinct(data: bytes, number: int) -> bytes:
    """The same JPEG with a comment of its own: other bytes, the same pixels."""
    comment = f"{number}".encode()
    return data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]


def turned(data: bytes, orientation: int) -> bytes:
    """The same JPEG with an EXIF orientation."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation]) + bytes(7)
    return data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]


def mixed_folder(folder: Path, sources: list[Path], count: int) -> dict[str, int]:
    """At least `count` files: photos, copies under other names, turned by EXIF, damaged, nested, and no photos.

    Returns:
        How many of each kind.
    """
    rng = np.random.default_rng(0)
    kinds = {"photo": 0.5, "copy": 0.2, "turned": 0.15, "damaged": 0.05, "nobody": 0.03, "no photo": 0.05, "odd": 0.02}
    made: dict[str, int] = dict.fromkeys(kinds, 0)
    order = rng.choice(list(kinds), size=count, p=list(kinds.values()))
    for number, kind in enumerate(order):
        deep = "/".join(f"level {level}" for level in range(int(rng.integers(0, 6))))
        place = folder / f"album {number % 17}" / deep
        place.mkdir(parents=True, exist_ok=True)
        data = sources[int(rng.integers(len(sources)))].read_bytes()
        name = f"{number:05d}"
        if kind == "photo":
            (place / f"{name}.jpg").write_bytes(distinct(data, number))
        elif kind == "copy":
            (place / f"{name} copy.jpg").write_bytes(data)
        elif kind == "turned":
            (place / f"{name}.JPG").write_bytes(turned(distinct(data, number), (3, 6, 8, 2, 5)[number % 5]))
        elif kind == "damaged":
            (place / f"{name}.jpeg").write_bytes(distinct(data, number)[: len(data) // 2])
        elif kind == "nobody":
            cv2.imwrite(str(place / f"{name}.png"), np.full((64, 64, 3), number % 256, np.uint8))
        elif kind == "no photo":
            (place / f"{name}.{('txt', 'jpg', 'docx')[number % 3]}").write_bytes(b"this is no photo %d" % number)
        else:
            (place / f"{name} ☃ {number % 7}.jpg").write_bytes(distinct(data, number))
        made[str(kind)] += 1
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    return made
