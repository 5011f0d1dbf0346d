"""Small whole files of each kind, made here: nothing is kept."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from pipeline.types import Image

_SIDE = 48


def picture() -> Image:
    """(48, 48, 3) uint8: a gradient with a bright square."""
    made = np.zeros((_SIDE, _SIDE, 3), np.uint8)
    made[..., 0], made[..., 1] = np.arange(_SIDE) * 5, np.arange(_SIDE)[:, None] * 5
    made[12:30, 12:30] = 230
    return made


def _encoded(kind: str, **options: object) -> bytes:
    import PIL.Image

    stream = io.BytesIO()
    PIL.Image.fromarray(picture()).save(stream, kind, **options)
    return stream.getvalue()


def photos() -> list[bytes]:
    """One of each format that needs no package of its own, and a JPEG with Exif."""
    import PIL.Image

    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    kinds = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "MPO")
    return [_encoded("JPEG", exif=exif), *(_encoded(kind) for kind in kinds)]


def cards() -> list[bytes]:
    """Those that ship."""
    from pipeline.weights.card import cards_dir

    return [file.read_bytes() for file in sorted(cards_dir().glob("*.toml"))]


def configs() -> list[bytes]:
    """Settings, the shipped policies, and a list of what was put into a folder."""
    from pipeline.weights import data_dir

    policies = [file.read_bytes() for file in sorted((data_dir() / "policies").glob("*.toml"))]
    entry = {"photo": "/photos/a.jpg", "sha256": "0" * 64, "how": "copy"}
    listed = {"format": 1, "folders": {"Ada": "Ada"}, "files": {"Ada/a.jpg": entry}}
    return [b'max_bytes = 1000000\nidentify_fpir = 0.01\ngallery = "x"\n', *policies, json.dumps(listed).encode()]


def bins() -> list[bytes]:
    """As the protocols of pickle write it that have bytes of their own."""
    return [pickle.dumps(([b"a", b"bc"] * 3, [True, False, True]), protocol) for protocol in (3, 4, 5)]


def recs() -> list[bytes]:
    """Three records of RecordIO: magic, length, header (flag, label, id, id2), a PNG."""
    data = b""
    for number in range(1, 4):
        record = struct.pack("<IfQQ", 0, float(number), number, 0) + _encoded("PNG")
        data += struct.pack("<II", 0xCED7230A, len(record)) + record + b"\0" * (-len(record) % 4)
    return [data]


def zips() -> list[bytes]:
    """Stored and deflated."""
    made = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            archive.writestr("a.jpg", bytes(500))
            archive.writestr("deep/b.onnx", b"model" * 50)
        made.append(stream.getvalue())
    return made


def backups() -> list[bytes]:
    """A gallery of two people."""
    from pipeline.gallery import Anchor, Gallery, NewSample, Scribe

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Gallery.open(folder / "g", "model", 8, scribe=Scribe("ada", Anchor(folder / "home"))) as gallery:
            for number, subject in enumerate(("Ada", "Bob")):
                sample = NewSample(
                    source="a.jpg",
                    photo_sha256=f"{number:064x}",
                    box=(0.0, 0.0, 9.0, 9.0),
                    landmarks=np.zeros((5, 2), np.float32),
                    confidence=0.9,
                    image_hw=(20, 20),
                    vector=np.eye(8, dtype=np.float32)[number],
                    norm=1.0,
                    crop=None,
                    quality=None,
                )
                gallery.enrol(subject, [sample])
            gallery.backup(folder / "b.db")
        return [(folder / "b.db").read_bytes()]


def videos() -> list[bytes]:
    """Four frames each, in three containers."""
    import av

    made = []
    for kind, codec in (("mp4", "mpeg4"), ("matroska", "mpeg4"), ("avi", "mjpeg")):
        stream = io.BytesIO()
        with av.open(stream, "w", format=kind) as container:
            track = container.add_stream(codec, rate=5)
            track.width = track.height = _SIDE
            track.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for _ in range(4):
                container.mux(track.encode(av.VideoFrame.from_ndarray(picture(), "rgb24")))
            container.mux(track.encode())
        made.append(stream.getvalue())
    return made


def sidecars() -> list[bytes]:
    """One of ours, and one of another program."""
    from app.runs.output.xmp_document import Region, Sidecar

    ours = Sidecar(None)
    ours.update([Region("Bob", "0123456789abcdef-2", 0.4, 0.4, 0.2, 0.2)], (100, 100))
    theirs = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/jpeg"><dc:subject>'
        "<rdf:Bag><rdf:li>sea</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    return [ours.data(), theirs.encode()]
