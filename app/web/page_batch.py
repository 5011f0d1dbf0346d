"""Batch: runs over folders, started here or in a terminal. They go on without the page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import streamlit as st

from app import batch
from app.access import LOCAL, Role
from app.batch import Batch
from app.services import Services
from app.web import archive, guard, markup, paging, state
from app.web.texts import words

_PER_PAGE = 10
_REFRESH_S = 2.0
_SAID, _REMOVING = "batch_said", "batch_removing"
_TONES = {"finished": "good", "failed": "bad", "stopped": "warn"}
_SIGNS = {"good": "✓", "bad": "✗", "warn": "■", "info": "▸"}


def show() -> None:
    """Draws the page."""
    st.title(words.batch, anchor=False)
    st.html(markup.lead(words.batch_lead))
    with state.sentences():
        service = state.services()
        if said := st.session_state.pop(_SAID, ""):
            st.html(markup.note("good", said))
        if service.actor.role >= Role.OPERATOR:
            _new(service)
        there = batch.batches(service.settings.home)
        st.header(words.batch_list, anchor=False)
        if not there:
            may = service.actor.role >= Role.OPERATOR
            st.html(markup.note("info", markup.text(words.batch_none if may else words.batch_none_viewer)))
        every = _REFRESH_S if any(one.busy for one in there) else None
        st.fragment(_list, run_every=every)(service, every is not None)


# --- a new one ------------------------------------------------------------------------------------------------


def _new(service: Services) -> None:
    if not len(service.gallery):
        st.html(markup.note("info", markup.text(words.batch_nobody)))
    with st.expander(words.batch_start_title, expanded=True):
        kinds = words.batch_sources
        kind = st.segmented_control(
            words.batch_source, list(kinds), default="folder", format_func=lambda one: kinds[one], key="batch_kind"
        )
        if kind == "folder" and service.actor is not LOCAL and not service.settings.batch_folders:
            st.html(markup.note("info", markup.text(words.batch_no_folders)))
            return
        with st.form("batch", border=False):
            today = f"{datetime.now(UTC):%Y-%m-%d}"
            name = st.text_input(
                words.batch_name, today, max_chars=100, key="batch_name", help=words.batch_name_help
            ).strip()
            if kind == "zip":
                _from_zip(service, name)
            else:
                _from_folder(service, name)


def _from_folder(service: Services, name: str) -> None:
    if service.actor is LOCAL:
        folder = st.text_input(words.batch_folder, key="batch_folder", help=words.batch_folder_help).strip()
    else:
        offered = [str(one) for one in service.settings.batch_folders]
        chosen = st.selectbox(words.batch_folder, offered, key="batch_offered")
        below = st.text_input(words.batch_sub, key="batch_sub").strip()
        folder = str(Path(chosen) / below.lstrip("/\\")) if chosen else ""
    if st.form_submit_button(words.batch_do, type="primary"):
        if not name or not folder:
            st.html(markup.note("warn", markup.text(words.batch_nothing)))
            return
        with state.sentences():
            batch.start_folder(service, name, folder, guard.config_file())
            _done(markup.fill(words.batch_started, name=name))


def _from_zip(service: Services, name: str) -> None:
    file = st.file_uploader(words.batch_zip, type=["zip"], key="batch_zip")
    keep = st.checkbox(words.batch_keep, key="batch_keep")
    if st.form_submit_button(words.batch_do, type="primary"):
        if not name or file is None:
            st.html(markup.note("warn", markup.text(words.batch_nothing)))
            return
        with state.sentences():
            photos = archive.members(file, service.settings.max_bytes)
            count = batch.start_brought(service, name, photos, keep=keep, config=guard.config_file())
            _done(markup.fill(words.batch_started_zip, name=name, count=words.photos(count)))


def _done(said: str) -> None:
    st.session_state[_SAID] = said
    st.session_state.pop(_REMOVING, None)
    state.again()


# --- those there are ------------------------------------------------------------------------------------------


def _list(service: Services, refreshed: bool) -> None:
    """Drawn anew by itself while something is under way; when nothing is any more, the whole page is."""
    with state.sentences():
        there = batch.batches(service.settings.home)
        if refreshed and not any(one.busy for one in there):
            state.again()
        first = paging.offset("batch_page", len(there), _PER_PAGE)
        for one in there[first : first + _PER_PAGE]:
            with st.container(border=True):
                st.html(_about(one))
                if one.busy:
                    st.progress(min(one.done / max(one.total, 1), 1.0), text=_told(one))
                _buttons(service, one)
        paging.controls("batch_page", len(there), _PER_PAGE)


def _told(one: Batch) -> str:
    if not one.total:
        return words.batch_states[one.state]
    return words.batch_progress.format(done=f"{one.done:,}", total=f"{one.total:,}")


def _about(one: Batch) -> str:
    tone = _TONES.get(one.state, "info")
    tag = f'<span class="kf-tag {tone}">{markup.text(words.batch_states[one.state])}</span>'
    lines = [words.batch_counts.format(files=words.files(one.total), faces=words.faces(one.faces))] if one.total else []
    if one.failed:
        lines.append(words.batch_failed_files.format(files=words.files(one.failed)))
    about = [markup.text(line) for line in lines]
    if one.started:
        date = one.started[:16].replace("T", " ")
        by = markup.fill(words.batch_started_by, date=date, who=one.by)
        about.append(by if one.by else markup.fill(words.batch_started_at, date=date))
    why = f'<p class="kf-reason">{markup.foreign(one.message)}</p>' if one.message else ""
    head = f"<h3>{markup.sign(tone, _SIGNS[tone])}<span>{markup.name(one.name)}</span>{tag}</h3>"
    return f'<div class="kf kf-run {tone}">{head}<small>{" · ".join(about)}</small>{why}</div>'


def _buttons(service: Services, one: Batch) -> None:
    role = service.actor.role
    if st.session_state.get(_REMOVING) == one.name and role >= Role.ADMIN and not one.busy:
        _really(service, one)
        return
    with st.container(horizontal=True):
        if one.readable:
            address = f"/files/run/{quote(one.name, safe='')}"
            st.link_button(words.batch_report, f"{address}/report.html", type="primary")
            st.link_button(words.batch_csv, f"{address}/results.csv")
        may_again = role >= Role.OPERATOR and one.again and not one.busy
        if may_again and st.button(words.batch_again, key=f"again_{one.name}", help=words.batch_again_help):
            batch.again(service, one.name, guard.config_file())
            _done(markup.fill(words.batch_started, name=one.name))
        if role >= Role.OPERATOR and one.ours and st.button(words.batch_stop, key=f"stop_{one.name}"):
            batch.stop(service, one.name)
            _done(markup.fill(words.batch_stopping, name=one.name))
        if role >= Role.ADMIN and not one.busy:
            st.button(words.batch_remove, key=f"remove_{one.name}", on_click=_ask, args=(one.name,))


def _really(service: Services, one: Batch) -> None:
    st.html(markup.note("bad", markup.fill(words.batch_remove_explain, name=one.name, count=words.faces(one.faces))))
    with st.container(horizontal=True):
        st.button(words.batch_remove_keep, key="batch_keep_run", on_click=_ask, args=(None,))
        if st.button(words.batch_remove_do, key="remove_go", type="primary"):
            batch.remove(service, one.name)
            _done(markup.fill(words.batch_removed, name=one.name))


def _ask(name: str | None) -> None:
    st.session_state[_REMOVING] = name
