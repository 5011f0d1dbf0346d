"""Verify: two photos side by side, and whether they show the same person."""

from __future__ import annotations

import streamlit as st

from app.services import Services
from app.web import inputs, markup, state
from app.web.state import Seen
from app.web.texts import words


def show() -> None:
    """Draws the page."""
    st.title(words.verify, anchor=False)
    st.html(markup.lead(words.verify_lead))
    with state.sentences():
        service = state.services()
        with st.spinner(words.loading, show_time=False):
            point = service.verify_point()
        left, right = st.columns(2, gap="medium")
        with left:
            a = _side(service, "verify_a", words.side_a)
        with right:
            b = _side(service, "verify_b", words.side_b)
        state.forget_others({side[0].key for side in (a, b) if side})
        if not (a and b and a[0].faces and b[0].faces):
            st.html(markup.note("info", markup.text(words.verify_wait)))
            return
        result = service.verify_faces(a[0].faces, b[0].faces, face_a=a[1], face_b=b[1])
        st.html(markup.verification(result.decision, point))
        if a[0].faces.photo_sha256 == b[0].faces.photo_sha256:
            st.html(markup.note("info", markup.text(words.verify_same_photo)))
        with st.expander(words.details):
            basis = markup.fill(
                words.rate_basis,
                non_mated=f"{point.non_mated:,}",
                mated=f"{point.mated:,}",
                measured_on=point.measured_on,
            )
            origin = markup.fill(words.rate_origin, origin=point.origin)
            model = markup.fill(words.rate_model, model_id=point.model_id)
            st.html(f'<div class="kf"><p>{origin}</p><p>{basis}</p><p>{model}</p></div>')


def _side(service: Services, key: str, title: str) -> tuple[Seen, int] | None:
    """One half of the page: the photo with its faces, and the number of the face that is compared."""
    st.header(title, anchor=False)
    upload = inputs.one(key, title)
    if upload is None:
        return None
    with st.spinner(words.looking, show_time=False):
        seen = state.look(service, upload)
    if seen.error or seen.faces is None:
        st.html(markup.note("bad", markup.error(seen.error)))
        return None
    place = st.empty()
    count = len(seen.faces)
    chosen = inputs.face_choice(f"{key}_face_{seen.key}", count) or 1
    place.html(markup.photo(seen.picture, seen.name, seen.faces.detections, chosen=chosen, dots=True))
    if not count:
        st.html(markup.note("bad", markup.text(words.judge_no_face)))
        return None
    return seen, chosen
