"""Videos made for the tests: encoded by PyAV from pictures, with known truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from pipeline.types import Image

#: A codec and pixel format that keep every colour as it is.
LOSSLESS = ("ffv1", "bgr0")


def write_video(
    path: Path,
    frames: Iterable[Image],
    *,
    rate: int = 25,
    codec: tuple[str, str] = ("libx264", "yuv420p"),
    times_ms: Sequence[int] | None = None,
    prepare: Callable[[Any], None] = lambda stream: None,
    sound: bool = False,
) -> Path:
    """Encodes pictures, (H, W, 3) uint8 RGB.

    Args:
        path: Its suffix says which container.
        frames: The pictures.
        rate: Frames per second, where no times are given.
        codec: Codec and pixel format.
        times_ms: When each is shown.
        prepare: Called with the stream before anything is encoded.
        sound: Add silence.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = list(frames)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec[0], rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = codec[1]
        stream.codec_context.time_base = Fraction(1, 1000) if times_ms else Fraction(1, rate)
        stream.codec_context.thread_count = 1
        prepare(stream)
        silence = _silence(container) if sound else None
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = times_ms[number] if times_ms else number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if silence is not None:
            _add_silence(container, silence, len(pictures) / rate)
    return path


def write_sound(path: Path, seconds: float = 1.0) -> Path:
    """A file with sound alone."""
    with av.open(str(path), "w") as container:
        _add_silence(container, _silence(container), seconds)
    return path


def _silence(container: Any) -> Any:
    return container.add_stream("aac", rate=16000, layout="mono")


def _add_silence(container: Any, stream: Any, seconds: float) -> None:
    for start in range(0, int(16000 * seconds), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


@dataclass
class Scene:
    """Pictures that move over a background, and where they are.

    Attributes:
        hw: Height and width.
        colour: Of the background.
        moves: Picture, and its left upper corner (x, y) as a function of the frame; None where it is not to be seen.
    """

    hw: tuple[int, int] = (360, 640)
    colour: tuple[int, int, int] = (90, 110, 100)
    moves: list[tuple[Image, Callable[[int], tuple[float, float] | None]]] = field(default_factory=list)

    def frame(self, number: int) -> Image:
        """What is to be seen; later pictures cover earlier ones."""
        canvas = np.full((*self.hw, 3), self.colour, np.uint8)
        for picture, place in self.moves:
            where = place(number)
            if where is not None:
                _paste(canvas, picture, round(where[0]), round(where[1]))
        return canvas


def _paste(canvas: Image, picture: Image, x: int, y: int) -> None:
    height, width = picture.shape[:2]
    top, left = max(0, y), max(0, x)
    bottom, right = min(canvas.shape[0], y + height), min(canvas.shape[1], x + width)
    if top < bottom and left < right:
        canvas[top:bottom, left:right] = picture[top - y : bottom - y, left - x : right - x]


def portrait_of(file: Path, side: int = 200) -> Image:
    """The most prominent face of a photo by its place there (see `FACES`), cut out square, (side, side, 3) RGB."""
    bgr = cv2.imread(str(file))
    x, y, size = FACES[file.name]
    part = bgr[y : y + size, x : x + size]
    return np.asarray(cv2.cvtColor(cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB))


def two_cross_then_cut(photos: Path, path: Path) -> Path:
    """Six seconds: Barack Obama walks right, Jacinda Ardern left, in front of him; then, elsewhere, Rishi Sunak.

    He is where Barack Obama was last seen, in another light.
    """
    obama, ardern, sunak = (
        portrait_of(photos / name) for name in ("barack-obama-2010.jpg", "jacinda-ardern-2018.jpg", "rishi-sunak.jpg")
    )
    street = Scene(moves=[(obama, lambda n: (10 + 10.5 * n, 80)), (ardern, lambda n: (430 - 10.5 * n, 70))])
    room = Scene(colour=(200, 170, 60), moves=[(sunak, lambda n: (430 - n, 80))])
    frames = [street.frame(number) for number in range(40)] + [room.frame(number) for number in range(20)]
    return write_video(path, frames, rate=10)


#: Left, top and side of a square around the face in each sample photo that is used.
FACES = {
    "barack-obama-2010.jpg": (431, 95, 692),
    "emmanuel-macron-2014.jpg": (5, 3, 192),
    "jacinda-ardern-2018.jpg": (0, 0, 716),
    "rishi-sunak.jpg": (0, 2, 747),
}


@dataclass(frozen=True)
class Turnable:
    """A picture of a face that is turned: as the flat print that it is, or as if it had the relief of a head.

    Attributes:
        picture: (H, W, 3) RGB.
        centre: x, y of the point about which it turns, between the eyes and the mouth.
        eyes: Distance of the eyes in pixels.
        relief: Depth of the head in distances of the eyes; 0: a flat print.
        distance: Of the camera from a print, in distances of the eyes.
    """

    picture: Image
    centre: tuple[float, float]
    eyes: float
    relief: float = 0.0
    distance: float = 6.0

    def turned(self, yaw_deg: float, pitch_deg: float = 0.0) -> Image:
        """What the camera sees; positive yaw: towards the right of the picture, positive pitch: up."""
        height, width = self.picture.shape[:2]
        v, u = np.mgrid[:height, :width].astype(np.float64)
        across, down = (u - self.centre[0]) / self.eyes, (v - self.centre[1]) / self.eyes
        x, y = (
            self._head(across, down, yaw_deg, pitch_deg)
            if self.relief
            else self._print(across, down, yaw_deg, pitch_deg)
        )
        x_px, y_px = (
            (x * self.eyes + self.centre[0]).astype(np.float32),
            (y * self.eyes + self.centre[1]).astype(np.float32),
        )
        return np.asarray(cv2.remap(self.picture, x_px, y_px, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))

    def _print(self, across: Any, down: Any, yaw_deg: float, pitch_deg: float) -> tuple[Any, Any]:
        """Where the rays of a camera meet the plane."""
        yaw, pitch = np.radians([yaw_deg, -pitch_deg])
        turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        turn @= np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        camera = turn.T @ np.array([0.0, 0.0, -self.distance])
        rays = np.stack([across / self.distance, down / self.distance, np.ones_like(across)], axis=-1) @ turn
        far = -camera[2] / rays[..., 2]
        return camera[0] + far * rays[..., 0], camera[1] + far * rays[..., 1]

    def _head(self, across: Any, down: Any, yaw_deg: float, pitch_deg: float) -> tuple[Any, Any]:
        """Which point of the picture is seen where, from afar: an ellipsoid with a nose, found by iteration."""
        yaw, pitch = np.radians([yaw_deg, pitch_deg])
        x, y = across.copy(), down.copy()
        for _ in range(25):
            dome = self.relief * np.sqrt(np.maximum(0.0, 1 - (x / 1.7) ** 2 - (y / 2.2) ** 2))
            nose = 0.45 * self.relief * np.exp(-((x / 0.25) ** 2) - ((y - 0.1) / 0.35) ** 2)
            depth = dome + nose - 0.6 * self.relief
            x += 0.5 * (across - depth * np.sin(yaw) - x * np.cos(yaw))
            y += 0.5 * (down + depth * np.sin(pitch) - y * np.cos(pitch))
        return x, y


#: Yaw and pitch at which a `Turnable` has done a step; positive yaw turns to the right of the picture, a person's left.
TURNS = {"left": (48.0, 0.0), "right": (-48.0, 0.0), "up": (0.0, 30.0), "down": (0.0, -30.0)}


def turning(thing: Turnable, steps: Sequence[str], seed: int = 3) -> list[Image]:
    """Frames of 15 a second: it is still, then does one step after the other; with the noise of a camera."""
    rng = np.random.default_rng(seed)
    poses = [(0.0, 0.0)] * 9
    for step in steps:
        yaw, pitch = TURNS[step]
        poses += [(yaw * part, pitch * part) for part in np.sin(np.linspace(0, np.pi, 15)).tolist()] + [(0.0, 0.0)] * 4
    frames = (thing.turned(*pose).astype(np.float32) for pose in poses)
    return [np.clip(frame + rng.normal(0, 2, frame.shape), 0, 255).astype(np.uint8) for frame in frames]
