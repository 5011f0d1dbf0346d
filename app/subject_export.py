"""Everything that is held about a person, as one JSON document or as a ZIP with the pictures."""

from __future__ import annotations

import base64
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.runs import FaceRow, Run, runs_of
from pipeline.errors import GalleryError

if TYPE_CHECKING:
    from pipeline.gallery import Gallery
    from pipeline.gallery.vault.files import FileKeys

_README = """Everything that this Knownface holds about one person.

subject.json   name, consents, legal hold; each enrolled photo: where it came from, the face's place in it, templates
               (vector_f32: base64 of little-endian float32)
audit.jsonl    the entries of the audit log that concern the person
runs.jsonl     faces that were named so in runs over folders
crops/         the aligned faces, where they are kept
run-faces/     the small pictures of runs.jsonl
"""


def everything(gallery: Gallery, home: Path, subject: str, keys: FileKeys) -> dict[str, Any]:
    """All of it, as it goes into JSON; binary values in base64. Errors: `Gallery.export`."""
    held = gallery.export(subject)
    uid = gallery.subject_id(subject)
    held["subject_id"] = uid
    held["consents"] = [one.as_dict() for one in gallery.consents(subject)]
    held["legal_hold"] = [
        {"reason": one.reason, "placed": one.placed.isoformat(), "until": one.until and one.until.isoformat()}
        for one in gallery.holds()
        if one.subject == held["subject"]
    ]
    held["audit"] = [entry.as_dict() for entry in gallery.audit(subject_id=uid)]
    named = ((run, face) for run in runs_of(home, keys) for face in run.faces() if face.subject == held["subject"])
    held["runs"] = [_face(run, face) for run, face in named]
    return held


def write_zip(gallery: Gallery, home: Path, subject: str, out: Path, keys: FileKeys) -> int:
    """Writes a new ZIP file that only its owner may read; returns how many files are in it.

    Raises:
        SubjectNotFoundError: There is no such subject.
        GalleryError: The file is there already, or cannot be written.
    """
    held = everything(gallery, home, subject, keys)
    crops = {sample["id"]: sample.pop("crop_png") for sample in held["samples"]}
    audit, runs = held.pop("audit"), held.pop("runs")
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise GalleryError(f"{out}: is there already; choose another name") from error
    except OSError as error:
        raise GalleryError(f"{out}: cannot be written ({error.strerror})") from error
    with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", _README)
        archive.writestr("subject.json", json.dumps(held, indent=2, ensure_ascii=False))
        archive.writestr("audit.jsonl", "".join(json.dumps(entry) + "\n" for entry in audit))
        for number, face in enumerate(runs):
            face["picture"] = f"run-faces/{number:05d}.jpg"
            archive.writestr(face["picture"], base64.b64decode(face.pop("thumbnail_jpeg")))
        archive.writestr("runs.jsonl", "".join(json.dumps(face, ensure_ascii=False) + "\n" for face in runs))
        for name, crop in crops.items():
            if crop is not None:
                archive.writestr(f"crops/{name}.png", base64.b64decode(crop))
        return len(archive.namelist())


def _face(run: Run, face: FaceRow) -> dict[str, Any]:
    return {
        "run": run.name,
        "face": face.face_id,
        "photo": face.photo,
        "box_xyxy_px": [float(value) for value in face.box],
        "decision": face.decision,
        "score": face.score,
        "thumbnail_jpeg": base64.b64encode(run.thumbnail(face.face_id)).decode(),
    }
