"""One unknown person: all faces, and what can be said of them: who it is, who it is too, who it is not."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.access import Role
from app.services import Services
from app.unknowns import Registry, label, members, merge_clusters, name_cluster, split_cluster, write_again
from app.unknowns.naming import Member
from app.unknowns.pictures import pictures
from app.web import consent, markup, paging, state
from app.web.texts import words
from pipeline.errors import SubjectNameError, SubjectNotFoundError
from pipeline.gallery import normalise

OPEN, SAID = "unknown_open", "unknown_said"
_PAGE, _FACES = "unknown_faces", 60
_OFFERED, _STRIP = 50, 6


def open_one(name: str | None) -> None:
    """Opens a cluster by its label, or goes back to all."""
    st.session_state[OPEN] = name
    paging.restart(_PAGE)
    for key in [key for key in st.session_state if str(key).startswith("unknown_") and key not in {OPEN, SAID, _PAGE}]:
        del st.session_state[key]


def draw(service: Services, registry: Registry, number: int) -> None:
    """Draws it.

    Raises:
        UnknownClusterError: No face of it is unknown any more.
    """
    faces = members(service, registry, number)
    st.button(words.unknowns_back, key="unknowns_back", on_click=open_one, args=(None,))
    photos = words.photos(len({face.row.sha256 for face in faces}))
    about = words.unknowns_of.format(faces=words.faces(len(faces)), photos=photos)
    st.html(f'<h2 class="kf kf-name">{label(number)}</h2><p class="kf kf-file">{markup.text(about)}</p>')
    first = paging.offset(_PAGE, len(faces), _FACES)
    page = faces[first : first + _FACES]
    seen = pictures(service, registry, [face.row.face_id for face in page])
    st.html(_grid(number, page, seen, first + 1))
    paging.controls(_PAGE, len(faces), _FACES)
    if service.actor.role >= Role.OPERATOR:
        _name(service, registry, number)
        _merge(service, registry, number)
        _split(service, registry, number, [face.row.face_id for face in faces])


def strip(cluster: str, faces: Sequence[str], seen: dict[str, bytes], more: str = "") -> str:
    """A row of small pictures."""
    alt = markup.text(words.unknowns_thumb_alt.format(cluster=cluster))
    made = "".join(f'<img src="{markup.jpeg(seen[face])}" alt="{alt}">' for face in faces if face in seen)
    return f'<div class="kf-strip">{made}{f"<span>{markup.text(more)}</span>" if more else ""}</div>'


def _grid(number: int, faces: Sequence[Member], seen: dict[str, bytes], start: int) -> str:
    figures = []
    for place, face in enumerate(faces, start):
        photo = face.row.photo
        alt = markup.text(words.unknowns_face_alt.format(number=place, cluster=label(number), photo=photo))
        picture = seen.get(face.row.face_id)
        image = f'<img src="{markup.jpeg(picture)}" alt="{alt}">' if picture else ""
        name = markup.text(photo.replace("\\", "/").rpartition("/")[2])
        caption = f'<figcaption><b>{place}</b> <bdi title="{markup.text(photo)}">{name}</bdi></figcaption>'
        figures.append(f"<figure>{image}{caption}</figure>")
    return f'<div class="kf kf-faces">{"".join(figures)}</div>'


def _finish(opened: str | None, said: str) -> None:
    open_one(opened)
    st.session_state[SAID] = said
    state.again()


def _name(service: Services, registry: Registry, number: int) -> None:
    with st.container(border=True):
        st.subheader(words.unknowns_name_title, anchor=False)
        typed = st.text_input(words.unknowns_name, max_chars=200, key="unknown_name")
        st.html(f'<p class="kf kf-reason">{markup.text(words.unknowns_name_explain)}</p>')
        subject = None
        try:
            subject = normalise(typed) if typed.strip() else None
        except SubjectNameError as error:
            st.html(markup.note("bad", markup.error(error)))
        if subject is not None and _is_enrolled(service, subject):
            st.html(markup.note("info", markup.fill(words.unknowns_known, name=subject)))
        asked = consent.ask(service, subject, "unknown_consent")
        ready = subject is not None and not asked.missing
        if st.button(words.unknowns_name_do, key="unknown_go", type="primary", disabled=not ready) and subject:
            with state.sentences():
                named = name_cluster(service, registry, number, subject, consent=asked.consent)
                left = named.faces - named.recognised
                said = markup.fill(
                    words.unknowns_name_done,
                    cluster=named.cluster,
                    name=named.subject,
                    enrolled=len(named.sample_ids),
                    faces=named.faces,
                    recognised=named.recognised,
                )
                if left:
                    said += " " + markup.fill(words.unknowns_name_left, count=left, cluster=named.cluster)
                _finish(None, said + _write_again(service, registry))


def _write_again(service: Services, registry: Registry) -> str:
    """Writes the runs' result files again; returns what could not be written, in words."""
    _, errors = write_again(service, registry)
    return "".join(f" {markup.foreign(error.message)}" for error in errors)


def _is_enrolled(service: Services, subject: str) -> bool:
    try:
        service.gallery.subject_id(subject)
    except SubjectNotFoundError:
        return False
    return True


def _merge(service: Services, registry: Registry, number: int) -> None:
    clusters = registry.clusters()
    others = sorted((one for one in clusters if one != number), key=lambda one: (-len(clusters[one]), one))
    if not others:
        return
    with st.expander(words.unknowns_merge_title, expanded="unknown_other" in st.session_state):
        if len(others) > _OFFERED:
            st.html(markup.note("info", markup.fill(words.unknowns_merge_more, limit=_OFFERED)))
        other = st.selectbox(
            words.unknowns_merge_with, others[:_OFFERED], index=None, format_func=label, key="unknown_other"
        )
        if other is None:
            return
        faces = clusters[other][:_STRIP]
        st.html(f'<div class="kf">{strip(label(other), faces, pictures(service, registry, faces))}</div>')
        if st.button(words.unknowns_merge_do, key="unknown_merge", type="primary"):
            with state.sentences():
                stays = label(merge_clusters(service, registry, number, other))
                said = markup.fill(words.unknowns_merged, one=label(number), other=label(other), number=stays)
                _finish(stays, said + _write_again(service, registry))


def _split(service: Services, registry: Registry, number: int, faces: Sequence[str]) -> None:
    if len(faces) < 2:
        return
    with st.expander(words.unknowns_split_title), st.form("unknown_split", border=False):
        chosen = st.multiselect(words.unknowns_split_which, range(1, len(faces) + 1), key="unknown_which")
        if st.form_submit_button(words.unknowns_split_do):
            if not chosen:
                st.html(markup.note("warn", markup.text(words.unknowns_split_none)))
                return
            with state.sentences():
                new = split_cluster(service, registry, number, [faces[place - 1] for place in chosen])
                said = markup.fill(words.unknowns_split_done, cluster=label(number), new=label(new))
                _finish(label(number), said + _write_again(service, registry))
