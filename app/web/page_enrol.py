"""Enrol: a name, photos, what each is worth, and a way back."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.services import Enrolment, Services, pick_face
from app.web import consent, inputs, judge, markup, state
from app.web.consent import Asked
from app.web.judge import Verdict
from app.web.state import Seen
from app.web.texts import words
from pipeline.gallery import normalise
from pipeline.recognizer import Faces

MAX_PHOTOS = 20
_NAME, _ROUND, _DONE, _CLEAR = "enrol_name", "enrol_round", "enrol_done", "enrol_clear"
_CONSENTED = "enrol_consented"


def show() -> None:
    """Draws the page."""
    st.title(words.enrol, anchor=False)
    st.html(markup.lead(words.enrol_lead))
    with state.sentences():
        service = state.services()
        with st.spinner(words.loading, show_time=False):
            service.recognizer, service.gallery  # noqa: B018 - loads them, or says what is missing
        _done(service)
        subject = _subject(service)
        uploads = inputs.several(f"enrol_{st.session_state.get(_ROUND, 0)}", MAX_PHOTOS)
        chosen = _photos(service, inputs.look_all(service, uploads), subject)
        if uploads:
            asked = consent.ask(service, subject, f"enrol_consent_{st.session_state.get(_ROUND, 0)}")
            _button(service, subject, chosen, len(uploads), asked)


def _subject(service: Services) -> str | None:
    """The name that was typed, normalised; None while it is empty or cannot be used (then the page says why)."""
    if st.session_state.pop(_CLEAR, False):
        st.session_state[_NAME] = ""
    typed = st.text_input(words.name_label, key=_NAME, max_chars=200, help=words.name_help)
    subject = None
    if typed.strip():
        with state.sentences():
            subject = normalise(typed)
            if count := judge.samples_of(service, subject):
                st.html(markup.note("info", markup.fill(words.name_known, name=subject, count=words.photos(count))))
    return subject


def _photos(service: Services, photos: list[Seen], subject: str | None) -> list[Faces]:
    """Shows every photo with its verdict; returns the faces to enrol, one of each photo that has one."""
    ready: list[tuple[Seen, Faces]] = []
    places = []
    for seen in photos:
        with st.container(border=True):
            left, right = st.columns([2, 3], gap="medium")
            with right:
                verdict, number = _verdict(service, seen, subject)
                places.append(st.empty())
            if seen.faces is not None:
                number = number if len(seen.faces) > 1 else None
                left.html(markup.photo(seen.picture, seen.name, seen.faces.detections, chosen=number, small=True))
                if verdict.usable:
                    ready.append((seen, pick_face(seen.faces, number or 1)))
            else:
                left.html(f'<p class="kf kf-file">{markup.name(seen.name)}</p>')
    known = subject is not None and judge.samples_of(service, subject) > 0
    _compare_photos(service, photos, ready, places, known=known)
    return [face for _, face in ready]


def _verdict(service: Services, seen: Seen, subject: str | None) -> tuple[Verdict, int | None]:
    if seen.faces is None:
        verdict, number = Verdict(False, (("bad", markup.error(seen.error)),)), None
    else:
        number = inputs.face_choice(f"enrol_face_{seen.key}", len(seen.faces), optional=True)
        verdict = judge.judge(service, seen.faces, number, subject)
    st.html(markup.lines(verdict.lines))
    if verdict.already is not None:
        st.button(words.use_name, key=f"use_{seen.key}", on_click=_use_name, args=(verdict.already,))
    return verdict, number


def _compare_photos(
    service: Services,
    photos: list[Seen],
    ready: list[tuple[Seen, Faces]],
    places: list[DeltaGenerator],
    *,
    known: bool,
) -> None:
    """Warns of a photo that comes twice, and of one that looks like none of the others.

    The latter only of a new person: photos of one who is `known` were held against those that are here already, and
    a second opinion would contradict it wherever a stranger's photo lies among them.
    """
    place_of = {seen.key: place for seen, place in zip(photos, places, strict=True)}
    first: dict[tuple[str, bytes], str] = {}
    different = []
    for seen, face in ready:
        same = (face.photo_sha256, face.detections.boxes.tobytes())
        if same in first:
            place_of[seen.key].html(markup.lines([("info", markup.text(words.judge_same_file))]))
        else:
            first[same] = seen.key
            different.append((seen, face))
    if known:
        return
    alone = judge.apart([face for _, face in different], service.verify_point().threshold)
    for (seen, _), apart in zip(different, alone, strict=True):
        if apart:
            place_of[seen.key].html(markup.lines([("warn", markup.text(words.judge_apart))]))


def _button(service: Services, subject: str | None, faces: list[Faces], brought: int, asked: Asked) -> None:
    if brought > len(faces):
        missing = words.photos(brought - len(faces))
        st.html(f'<p class="kf kf-file">{markup.fill(words.enrol_skips, count=missing)}</p>')
    if subject is None and faces:
        st.html(markup.note("info", markup.text(words.name_missing)))
    label = words.enrol_one if len(faces) == 1 else words.enrol_many.format(count=len(faces))
    disabled = subject is None or not faces or asked.missing
    if st.button(label if faces else words.enrol_none, type="primary", key="enrol_go", disabled=disabled) and subject:
        rows: list[Enrolment] = []
        st.session_state[_DONE] = rows
        for face in faces:  # each is durable when it is in the list, so that undo knows of it whatever happens next
            rows.append(service.enrol_faces(subject, face, consent=asked.consent))  # noqa: PERF401
        recorded = asked.consent is not None and any(row.sample_id and not row.already for row in rows)
        st.session_state[_CONSENTED] = asked.consent.purpose if asked.consent and recorded else None
        st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
        st.session_state[_CLEAR] = True
        state.again()


def _done(service: Services) -> None:
    """What the last enrolment did, with a way back."""
    rows: list[Enrolment] = st.session_state.get(_DONE, [])
    if not rows:
        if undone := st.session_state.pop("enrol_undone", 0):
            st.html(markup.note("info", markup.fill(words.undone, count=words.photos(undone))))
        return
    with st.container(border=True):
        lines = [_line(row) for row in rows]
        if purpose := st.session_state.get(_CONSENTED):
            lines.append(("good", markup.fill(words.consent_recorded, purpose=purpose)))
        st.html(markup.lines(lines))
        if any(row.sample_id and not row.already for row in rows) and st.button(words.undo, key="enrol_undo"):
            _undo(service, rows)


def _line(row: Enrolment) -> tuple[str, str]:
    if row.error:
        return "bad", markup.error(row.error)
    sentence = words.done_already if row.already else words.done_enrolled
    return ("info" if row.already else "good"), markup.fill(sentence, name=row.subject, photo=row.photo)


def _undo(service: Services, rows: list[Enrolment]) -> None:
    taken_back = service.undo(rows)
    st.session_state[_DONE] = []
    st.session_state["enrol_undone"] = taken_back
    state.again()


def _use_name(name: str) -> None:
    st.session_state[_NAME] = name
