"""Whether files may be committed: `python -m scripts.committed [FILE...]`, by default all that git knows.

No photo of a person enters the repository except pictures of our own pages (docs/images) and reports; no model, no
gallery, no key, and nothing large.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

_ROOT = Path(__file__).resolve().parent.parent
LARGEST = 1 << 20
PICTURES = {
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".heic",
    ".heif",
    ".avif",
    ".bmp",
    ".tif",
    ".tiff",
    ".gif",
    ".mp4",
    ".mov",
    ".mkv",
}
#: Networks, training sets, databases, keys.
OTHERS = {".onnx", ".pth", ".pt", ".safetensors", ".pkl", ".rec", ".tfrecord", ".npz", ".npy", ".zip", ".tar"}
OTHERS |= {".sqlite3", ".db", ".parquet", ".pem", ".key"}
_PLACES = ("docs/images/", "docs/reports/")


def faults(root: Path, names: Iterable[str]) -> list[str]:
    """One line for each file that may not be committed; names are relative to the root."""
    found = []
    for name in names:
        file, suffix = root / name, PurePosixPath(name).suffix.lower()
        if not file.is_file():  # removed by this commit
            continue
        if suffix in PICTURES and not name.startswith(_PLACES):
            found.append(f"{name}: a picture or video; only pictures of our own pages are kept, in docs/images")
        elif suffix in OTHERS:
            found.append(f"{name}: models, data and keys are fetched or made, never committed")
        elif file.stat().st_size > LARGEST:
            found.append(f"{name}: has {file.stat().st_size:,} bytes; at most {LARGEST:,}")
    return found


def main(names: list[str]) -> int:
    """Prints what may not be committed."""
    if not names:
        known = subprocess.run(["git", "ls-files", "-z"], cwd=_ROOT, capture_output=True, text=True, check=True)
        names = [name for name in known.stdout.split("\0") if name]
    found = faults(_ROOT, names)
    print("\n".join(found)) if found else None
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
