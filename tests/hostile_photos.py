"""What is in hostile files, group by group: a name, the bytes or who writes them, and what is acceptable of each."""

# ruff: noqa: S311 - chance is seeded, so that the corpus is the same on every call
from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image

from tests.photo_bytes import (
    encode,
    exif_block,
    grey_tiff,
    png,
    png_chunk,
    portrait,
    sample,
    shared_tags_tiff,
    strips_tiff,
    with_segment,
)

OK = "ok"
DAMAGED = "photo_damaged"
FORMAT = "photo_format"
TOO_LARGE = "photo_too_large"
EMPTY = "photo_empty"
UNREADABLE = "photo_unreadable"
NOT_FOUND = "photo_not_found"
ANY_BYTES = (OK, DAMAGED, FORMAT, TOO_LARGE)


Made = tuple[str, bytes | Callable[[Path], object], tuple[str, ...]]  # file name, content or its maker, acceptable


def truncated() -> Iterator[Made]:
    """Copies that broke off."""
    photo = encode(portrait(), "JPEG", quality=90)
    for end in range(1024, len(photo), 1024):
        yield f"{end}.jpg", photo[:end], (DAMAGED,)
    yield "last-byte.jpg", photo[:-1], (DAMAGED,)
    yield "last-16.jpg", photo[:-16], (DAMAGED,)
    yield "zero-filled.jpg", photo[: len(photo) // 2] + bytes(len(photo) // 2), (DAMAGED,)
    progressive = encode(portrait(), "JPEG", quality=90, progressive=True)
    for end in range(4096, len(progressive), 4096):
        yield f"progressive-{end}.jpg", progressive[:end], (DAMAGED,)
    for kind in ("PNG", "WEBP", "BMP", "GIF", "TIFF", "HEIF", "AVIF"):
        whole = sample(kind)
        for percent in (3, 15, 50, 80, 95):
            yield f"{percent}.{kind.lower()}", whole[: len(whole) * percent // 100], (DAMAGED,)
    for size in (1, 2, 3, 4, 8, 12):
        for kind in ("JPEG", "PNG", "WEBP", "HEIF"):
            yield f"head{size}.{kind.lower()}", sample(kind)[:size], (DAMAGED, FORMAT)


def bombs() -> Iterator[Made]:
    """Small files that claim, or really unpack to, very many pixels."""
    yield "claims.png", png(60000, 60000, zlib.compress(b"\0")), (TOO_LARGE,)
    yield "claims-max.png", png(2**31 - 1, 2**31 - 1, b""), (TOO_LARGE,)
    yield "beyond-max.png", png(2**32 - 1, 2**32 - 1, b""), (TOO_LARGE, DAMAGED)
    rows = zlib.compress(bytes((12000 // 8 + 1) * 9000), 9)
    yield "real.png", png(12000, 9000, rows, depth=1, colour=0), (TOO_LARGE,)
    yield "strip.png", png(200_000_000, 1, zlib.compress(b"\0")), (TOO_LARGE,)
    photo = bytearray(sample("JPEG"))
    at = photo.index(b"\xff\xc0")
    photo[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    yield "claims.jpg", bytes(photo), (TOO_LARGE,)
    frame_header = sample("JPEG")[at + 4 : at + 19]
    huge = frame_header[:1] + struct.pack(">HH", 65500, 65500) + frame_header[5:]
    yield "two-frames.jpg", with_segment(sample("JPEG"), 0xC0, huge), (TOO_LARGE,)
    gif = sample("GIF")
    yield "screen.gif", gif[:6] + struct.pack("<HH", 65535, 65535) + gif[10:], (TOO_LARGE,)
    frame = gif.index(b"\x2c\0\0\0\0") + 5
    yield "frame.gif", gif[:frame] + struct.pack("<HH", 65535, 65535) + gif[frame + 4 :], (TOO_LARGE,)
    yield "claims.tiff", grey_tiff(60000, 60000), (TOO_LARGE,)
    yield "wide.tiff", grey_tiff(2**32 - 1, 2**32 - 1), (TOO_LARGE, DAMAGED)
    yield "strips.tiff", strips_tiff(1_000_000), (TOO_LARGE, DAMAGED)
    yield "strips-packed.tiff", strips_tiff(70_000, compression=8), (TOO_LARGE, DAMAGED)
    yield "strips-odd-type.tiff", strips_tiff(70_000, rows=(5, 1, 64)), (TOO_LARGE, DAMAGED)
    yield "strips-claimed.tiff", grey_tiff(1, 2**26, t278=(3, 1, 1)), (TOO_LARGE, DAMAGED)
    yield "tags.tiff", shared_tags_tiff(), (DAMAGED,)
    yield "small-tiles.tiff", grey_tiff(9000, 9000, t322=(3, 1, 16), t323=(3, 1, 16)), (DAMAGED,)
    yield "tiles.tiff", grey_tiff(64, 64, t322=(4, 1, 65520), t323=(4, 1, 65520)), (TOO_LARGE, DAMAGED)
    bmp = sample("BMP")
    yield "claims.bmp", bmp[:18] + struct.pack("<ii", 60000, 60000) + bmp[26:], (TOO_LARGE,)
    canvas = (16383).to_bytes(3, "little") * 2
    extended = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + canvas
    yield "canvas.webp", b"RIFF" + struct.pack("<I", 4 + len(extended)) + b"WEBP" + extended, (TOO_LARGE,)
    lossless = b"VP8L" + struct.pack("<IBI", 5, 0x2F, 16382 | 16382 << 14) + b"\0"
    yield "lossless.webp", b"RIFF" + struct.pack("<I", 4 + len(lossless)) + b"WEBP" + lossless, (TOO_LARGE,)
    for kind in ("HEIF", "AVIF"):
        whole = bytearray(sample(kind))
        at = whole.index(b"ispe") + 8
        whole[at : at + 8] = struct.pack(">II", 30000, 30000)
        yield f"claims.{kind.lower()}", bytes(whole), (TOO_LARGE, DAMAGED)
    yield "many-bytes.jpg", _sparse(65 * 2**20), (TOO_LARGE,)
    progressive = encode(portrait(64), "JPEG", progressive=True)
    first, last = progressive.index(b"\xff\xda"), progressive.rindex(b"\xff\xd9")
    yield "scans.jpg", progressive[:first] + progressive[first:last] * 200 + b"\xff\xd9", (DAMAGED,)


def _sparse(size: int) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.write(sample("JPEG"))
            file.truncate(size)

    return make


def disguised() -> Iterator[Made]:
    """Names that lie, and bytes that only begin like a photo."""
    yield "png.jpg", sample("PNG"), (OK,)
    yield "jpeg.png", sample("JPEG"), (OK,)
    yield "webp.gif", sample("WEBP"), (OK,)
    yield "heic.jpg", sample("HEIF"), (OK,)
    yield "photo.txt", sample("JPEG"), (OK,)
    yield "no-suffix", sample("PNG"), (OK,)
    yield "text.jpg", b"This is not a photo.\n" * 20, (FORMAT,)
    yield "utf16.png", "Not a photo either".encode("utf-16"), (FORMAT,)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("photo.jpg"), sample("JPEG"))
    yield "zip.jpg", archive.getvalue(), (FORMAT,)
    yield "pdf.jpg", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n", (FORMAT,)
    yield "svg.png", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', (FORMAT,)
    yield "postscript.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", (FORMAT,)
    yield "html.jpg", b"<!doctype html><title>404 Not Found</title>", (FORMAT,)
    yield "elf.jpg", b"\x7fELF\x02\x01\x01" + bytes(200), (FORMAT,)
    yield "mp4.jpg", struct.pack(">I4s4sI4s", 24, b"ftyp", b"isom", 512, b"mp41") + bytes(64), (FORMAT,)
    yield "zeros.png", bytes(5000), (FORMAT,)
    yield "empty.jpg", b"", (EMPTY,)
    yield "newline\nin\tname\x1b[31m.jpg", b"text", (FORMAT,)
    yield "übergroß 照片 🙂.jpg", sample("JPEG"), (OK,)
    chance = random.Random(20)
    for prefix in (
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"BM",
        b"II*\0",
        b"MM\0*",
        b"RIFF\x64\0\0\0WEBP",
    ):
        for copy in range(3):
            noise = chance.randbytes(chance.randrange(1, 3000))
            yield f"noise{copy}-{prefix[:2].hex()}.jpg", prefix + noise, (DAMAGED, TOO_LARGE)
    for brand in (b"heic", b"avif"):
        yield (
            f"noise-{brand.decode()}",
            struct.pack(">I4s4sI", 16, b"ftyp", brand, 0) + chance.randbytes(900),
            (DAMAGED,),
        )


def unusual() -> Iterator[Made]:
    """Valid photos that trip careless readers."""
    small, grey = portrait(96), portrait(96).convert("L")
    alpha = small.convert("RGBA")
    alpha.putalpha(grey)
    for mode in ("1", "L", "P", "LA", "RGBA"):
        image = alpha if mode == "RGBA" else small.convert("LA" if mode == "LA" else mode)
        yield f"mode-{mode}.png", encode(image, "PNG"), (OK,)
    yield "palette-clear.png", encode(small.quantize(16), "PNG", transparency=0), (OK,)
    yield "palette-clear.gif", encode(small.quantize(16), "GIF", transparency=0), (OK,)
    deep = np.asarray(grey).astype(np.uint16) * 257
    yield "grey16.png", encode(PIL.Image.fromarray(deep), "PNG"), (OK,)
    yield "grey16.tiff", encode(PIL.Image.fromarray(deep), "TIFF"), (OK,)
    rgb16 = np.repeat(deep.astype(">u2")[..., None], 3, axis=2)
    rows = b"".join(b"\0" + row.tobytes() for row in rgb16)
    yield "rgb16.png", png(96, 96, zlib.compress(rows), depth=16), (OK,)
    floats = np.asarray(grey).astype(np.float32) / 255
    yield "float.tiff", encode(PIL.Image.fromarray(floats), "TIFF"), (OK,)
    yield "float-wide.tiff", encode(PIL.Image.fromarray(floats * 1e30), "TIFF"), (OK,)
    yield "float-flat.tiff", encode(PIL.Image.fromarray(np.full((9, 9), 7e9, np.float32)), "TIFF"), (OK,)
    for name, value in (("nan", np.nan), ("inf", np.inf)):
        broken = floats.copy()
        broken[5, 5] = value
        yield f"float-{name}.tiff", encode(PIL.Image.fromarray(broken), "TIFF"), (DAMAGED,)
    yield "int32.tiff", encode(PIL.Image.fromarray(deep.astype(np.int32) * 1000), "TIFF"), (OK,)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4"):
        image = small.convert("1") if compression == "group4" else small
        yield f"{compression}.tiff", encode(image, "TIFF", compression=compression), (OK,)
    yield "cmyk.jpg", encode(small.convert("CMYK"), "JPEG"), (OK,)
    yield "cmyk.tiff", encode(small.convert("CMYK"), "TIFF"), (OK,)
    yield "lab.tiff", encode(PIL.Image.new("LAB", (20, 20), (128, 10, 10)), "TIFF"), (OK,)
    yield "ycbcr.tiff", encode(small.convert("YCbCr"), "TIFF"), (OK,)
    yield "grey.jpg", encode(grey, "JPEG"), (OK,)
    yield "progressive.jpg", encode(small, "JPEG", progressive=True), (OK,)
    yield "trailing.jpg", sample("JPEG") + b"appended by a phone" * 9, (OK,)
    yield "trailing.png", sample("PNG") + bytes(99), (OK,)
    yield "two-photos.jpg", sample("JPEG") + encode(small, "JPEG"), (OK,)
    later = [portrait(96).rotate(90), portrait(96).rotate(180)]
    for kind in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
        yield f"animated.{kind.lower()}", encode(small, kind, save_all=True, append_images=later), (OK,)
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"):
        yield f"1x1.{kind.lower()}", encode(small.resize((1, 1)), kind), (OK,)
    for size in ((30000, 1), (1, 30000)):
        for kind in ("JPEG", "PNG"):
            yield f"{size[0]}x{size[1]}.{kind.lower()}", encode(PIL.Image.new("RGB", size), kind), (OK,)
    yield "0x0.png", png(0, 0, zlib.compress(b"")), (DAMAGED,)
    yield "0-high.tiff", grey_tiff(64, 0), (DAMAGED,)
    yield (
        "too-few-rows.png",
        png(64, 64, zlib.compress(bytes(64 * 3 + 1))),
        (OK, DAMAGED),
    )  # complete, by its own check sums


def oriented() -> Iterator[Made]:
    """All eight EXIF orientations, and some that do not exist."""
    photo = portrait(512)
    for orientation in (*range(1, 9), 0, 9, 65535):
        for order in "<>":
            block = b"Exif\0\0" + exif_block(orientation, order)
            yield f"{orientation}{'le' if order == '<' else 'be'}.jpg", encode(photo, "JPEG", exif=block), (OK,)
    for kind in ("PNG", "WEBP", "TIFF"):
        exif = PIL.Image.Exif()
        exif[0x0112] = 6
        yield f"6.{kind.lower()}", encode(portrait(96), kind, exif=exif), (OK,)


def corrupt_metadata() -> Iterator[Made]:
    """Whole pictures with nonsense beside them, and directories that loop."""
    photo = sample("JPEG")
    chance = random.Random(21)
    loop = (
        b"II*\0"
        + struct.pack("<IH", 8, 2)
        + struct.pack("<HHII", 0x8769, 4, 1, 8)
        + struct.pack("<HHII", 0x14A, 4, 1, 8)
    )
    blocks = {
        "noise": chance.randbytes(500),
        "short": b"II*\0",
        "far": b"II*\0" + struct.pack("<I", 2**32 - 1),
        "count": b"MM\0*" + struct.pack(">IH", 8, 65535) + b"\x01\x12",
        "type": b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 99, 1, 6),
        "loop": loop + struct.pack("<I", 8),
        "empty": b"",
    }
    for name, block in blocks.items():
        yield f"exif-{name}.jpg", with_segment(photo, 0xE1, b"Exif\0\0" + block), (OK,)
        yield f"exif-{name}.png", sample("PNG")[:33] + png_chunk(b"eXIf", block) + sample("PNG")[33:], (OK,)
        yield f"exif-{name}.webp", encode(portrait(64), "WEBP", exif=b"Exif\0\0" + block), (OK,)
        valid = exif_block(1)  # the encoder refuses anything else
        avif = encode(portrait(64), "AVIF", exif=valid, speed=10).replace(
            valid, block.ljust(len(valid), b"\0")[: len(valid)]
        )
        yield f"exif-{name}.avif", avif, (OK, DAMAGED)
    yield "app2.jpg", photo[:2] + with_segment(photo, 0xE2, bytes(65533))[2:65541] * 100 + photo[2:], (OK, DAMAGED)
    yield "icc.jpg", encode(portrait(64), "JPEG", icc_profile=chance.randbytes(300_000)), (OK,)
    yield "icc.png", encode(portrait(64), "PNG", icc_profile=chance.randbytes(8_000_000)), (OK,)
    bomb = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(50_000_000), 9))
    pixels = zlib.compress(bytes(64 * (64 * 3 + 1)))
    yield "itxt.png", png(64, 64, pixels, extra=bomb), (OK,)
    profile = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(50_000_000), 9))
    yield "iccp.png", png(64, 64, pixels, extra=profile), (OK,)
    yield "chunks.png", png(64, 64, pixels, extra=png_chunk(b"teXt", b"") * 200_000), (OK, DAMAGED)
    yield "loop.tiff", grey_tiff(64, 64)[:118] + struct.pack("<I", 8) + grey_tiff(64, 64)[122:], (OK,)
    yield "nested.tiff", _nested_tiff(3000), (OK,)
    yield "exif-self.tiff", grey_tiff(64, 64, t34665=(4, 1, 8)), (OK,)
    yield "far-strip.tiff", grey_tiff(64, 64, t273=(4, 1, 2**31)), (DAMAGED,)
    yield "huge-count.tiff", grey_tiff(64, 64, t270=(2, 2**31, 600)), (OK, DAMAGED)


def _nested_tiff(depth: int) -> bytes:
    """A picture followed by a chain of `depth` directories that each point to the next, also as EXIF and sub-IFD."""
    start = 512 + 4096
    size = 2 + 2 * 12 + 4
    chain = b""
    for level in range(depth):
        following = start + (level + 1) * size if level + 1 < depth else 8
        rows = struct.pack("<HHII", 330, 4, 1, following) + struct.pack("<HHII", 34665, 4, 1, following)
        chain += struct.pack("<H", 2) + rows + struct.pack("<I", following)
    first = grey_tiff(64, 64, t330=(4, 1, start), t34665=(4, 1, start))
    end = 10 + 11 * 12
    return first[:end] + struct.pack("<I", start) + first[end + 4 :] + chain


def mutated() -> Iterator[Made]:
    """Valid files with a few bytes changed."""
    chance = random.Random(22)
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "HEIF", "AVIF"):
        whole = sample(kind)
        for copy in range(8):
            changed = bytearray(whole)
            for _ in range(chance.choice((1, 4, 32))):
                # half of the changes go to the header, where they matter most
                changed[chance.randrange(len(changed) if chance.random() < 0.5 else 200)] = chance.randrange(256)
            yield f"{copy}.{kind.lower()}", bytes(changed), ANY_BYTES
