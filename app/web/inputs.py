"""Photos from the browser: uploads or the camera, limited in number and size before anything is decoded.

Any file may be chosen: what it is, its bytes tell and not its name, and what is no photo is refused with a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.services import Services
from app.web import archive, markup, state
from app.web.state import Seen, Uploaded
from app.web.texts import words

MAX_TOGETHER = 256 * 1024 * 1024


def one(key: str, label: str) -> Uploaded | None:
    """One photo, uploaded or taken."""
    if _from_camera(key):
        return st.camera_input(words.camera_label, key=f"{key}_camera", label_visibility="collapsed")
    return st.file_uploader(label, key=f"{key}_file", label_visibility="collapsed")


def several(key: str, limit: int, *, unpack: int | None = None) -> list[Uploaded]:
    """Several photos, or one from the camera. What is over a limit is left out, and the page says so.

    Args:
        key: Of the widgets.
        limit: Photos that are taken at once.
        unpack: Take the photos of zips too, each of at most so many bytes.
    """
    if _from_camera(key):
        taken = st.camera_input(words.camera_label, key=f"{key}_camera", label_visibility="collapsed")
        return [taken] if taken else []
    files: Sequence[UploadedFile] = st.file_uploader(
        words.photos_label, accept_multiple_files=True, key=f"{key}_files", label_visibility="collapsed"
    )
    together = sum(file.size for file in files)
    if together > MAX_TOGETHER:
        megabytes, at_most = round(together / 2**20), MAX_TOGETHER // 2**20
        st.html(markup.note("bad", markup.fill(words.too_much, megabytes=megabytes, limit=at_most)))
        return []
    photos = list(islice(_unpacked(files, unpack), limit + 1))
    if len(photos) > limit:
        st.html(markup.note("warn", markup.fill(words.too_many, limit=limit)))
    return photos[:limit]


def _unpacked(files: Sequence[UploadedFile], max_bytes: int | None) -> Iterator[Uploaded]:
    for file in files:
        if max_bytes is None or not file.name.lower().endswith(".zip"):
            yield file
            continue
        with state.sentences():
            found = False
            for member in archive.members(file, max_bytes):
                found = True
                yield member
            if not found:
                st.html(markup.note("warn", markup.fill(words.zip_empty, name=file.name)))


def look_all(service: Services, uploads: Sequence[Uploaded]) -> list[Seen]:
    """Looks at photos one after the other and shows how far it is."""
    state.forget_others({upload.file_id for upload in uploads})
    place = st.empty()  # always there, so that what stands below keeps its place and stays open
    new = sum(not state.remembered(upload) for upload in uploads)
    if not new:
        return [state.look(service, upload) for upload in uploads]
    bar = place.progress(0.0, text=words.looking)
    seen = []
    for number, upload in enumerate(uploads, 1):
        bar.progress((number - 1) / len(uploads), text=words.working.format(number=number, total=len(uploads)))
        seen.append(state.look(service, upload))
    place.empty()
    return seen


def notes(service: Services) -> None:
    """What has changed since people were enrolled, or since the threshold was measured: scores may mean less."""
    for said in (service.stages_note(), service.score_note()):
        if said:
            st.html(markup.note("warn", markup.foreign(said)))


def face_choice(key: str, count: int, *, optional: bool = False) -> int | None:
    """The number of the face to take where a photo shows several; 1 where it shows one.

    Args:
        key: Of the widget.
        count: Faces in the photo.
        optional: Nothing is chosen until somebody chooses.
    """
    if count < 2:
        return 1
    numbers = list(range(1, count + 1))
    index = None if optional else 0
    if count > 12:
        return st.selectbox(words.face_choice, numbers, index=index, key=key)
    return st.radio(words.face_choice, numbers, index=index, key=key, horizontal=True)


def _from_camera(key: str) -> bool:
    choice = st.segmented_control(
        words.source_label,
        [words.upload, words.camera],
        default=words.upload,
        key=f"{key}_source",
        label_visibility="collapsed",
    )
    return choice == words.camera
