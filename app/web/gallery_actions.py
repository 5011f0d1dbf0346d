"""Rename, merge, split and remove one person. What cannot be undone says first what it will do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from app.access import LOCAL
from app.services import Services
from app.web import markup, state
from app.web.texts import words
from pipeline.errors import ConfigError
from pipeline.gallery import normalise
from pipeline.images import one_line

OPEN, SAID = "gallery_open", "gallery_said"
_OFFERED = 50
_SHOWN = 10


def forget() -> None:
    """Drops what was begun with another person."""
    for key in ("gallery_removing", "rename_to", "merge_search", "merge_into", "split_which", "split_to"):
        st.session_state.pop(key, None)


def _finish(opened: str | None, said: str) -> None:
    """Shows another person, or everybody, and what was done."""
    st.session_state[OPEN], st.session_state[SAID] = opened, said
    forget()
    state.again()


def export(service: Services, name: str) -> None:
    """Everything that is stored about a person, as a file; made, and noted in the log, when it is asked for."""
    st.download_button(
        words.export_do,
        lambda: _packed(service, name),
        "person.zip",
        "application/zip",
        help=words.export_help,
        on_click="ignore",
    )


def _packed(service: Services, name: str) -> bytes:
    with TemporaryDirectory(prefix="knownface-") as folder:
        file = Path(folder) / "person.zip"
        service.export_subject(name, file)
        return file.read_bytes()


def backup(service: Services) -> None:
    """Everything in one file: to be downloaded, or written where somebody at this machine says."""
    with st.expander(words.backup_title):
        st.html(f'<p class="kf kf-reason">{markup.text(words.backup_explain)}</p>')
        st.link_button(words.backup_download, "/files/backup")
        if service.actor is not LOCAL:
            return
        with st.form("backup", border=False):
            path = st.text_input(words.backup_path, key="backup_path", help=words.backup_path_help).strip()
            if st.form_submit_button(words.backup_do):
                if not path:
                    st.html(markup.note("warn", markup.text(words.backup_nowhere)))
                    return
                with state.sentences():
                    service.backup(whole_path(path))
                    _finish(None, markup.fill(words.backup_done, path=path))


def whole_path(text: str) -> Path:
    """A path as it was typed.

    Raises:
        ConfigError: It is not a whole one, from the root on.
    """
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # the home of a user there is not
        path = Path(text)
    if not path.is_absolute() or "\0" in text:
        raise ConfigError(f"{one_line(text)}: give the whole path, from the root on")
    return path


def rename(service: Services, name: str) -> None:
    """A new name for a person."""
    with st.expander(words.rename_title), st.form("rename", border=False):
        new = st.text_input(words.rename_label, value=name, max_chars=200, key="rename_to")
        if st.form_submit_button(words.rename_do):
            with state.sentences():
                service.rename(name, new)
                new = normalise(new)
                _finish(new, markup.fill(words.renamed, old=name, new=new))


def merge(service: Services, name: str) -> None:
    """Moves all photos of a person to another one."""
    with st.expander(words.merge_title):
        search = st.text_input(words.merge_search, key="merge_search").strip()
        found = service.gallery.subjects(limit=_OFFERED + 2, search=search or None)
        others = [person.name for person in found if person.name != name]
        if not others:
            st.html(markup.note("info", markup.text(words.merge_nobody)))
            return
        if len(others) > _OFFERED:
            st.html(markup.note("info", markup.fill(words.merge_more, limit=_OFFERED)))
        target = st.selectbox(words.merge_label, others[:_OFFERED], index=None, key="merge_into")
        if target is None:
            return
        st.html(markup.note("warn", markup.fill(words.merge_explain, source=name, target=target)))
        if st.button(words.merge_do, key="merge_go", type="primary"):
            moved = service.merge(name, target)
            _finish(target, markup.fill(words.merged, source=name, target=target, count=words.photos(moved)))


def split(service: Services, name: str, samples: Sequence[str]) -> None:
    """Moves some photos of a person to a new one. They are chosen by number: a label would read names as Markdown."""
    if len(samples) < 2:
        return
    with st.expander(words.split_title), st.form("split", border=False):
        st.html(f'<p class="kf kf-reason">{markup.text(words.split_explain)}</p>')
        numbers = st.multiselect(words.split_which, range(1, len(samples) + 1), key="split_which")
        new = st.text_input(words.split_name, max_chars=200, key="split_to")
        if st.form_submit_button(words.split_do):
            if not numbers:
                st.html(markup.note("warn", markup.text(words.split_none)))
                return
            with state.sentences():
                new = normalise(new)
                service.split([samples[number - 1] for number in numbers], new)
                _finish(new, markup.fill(words.split_done, count=words.photos(len(numbers)), old=name, new=new))


def remove(service: Services, name: str, samples: int) -> None:
    """Erases a person, after saying what that means."""
    with st.expander(words.remove_title, expanded=bool(st.session_state.get("gallery_removing"))):
        if not st.session_state.get("gallery_removing"):
            st.button(words.remove_ask, key="remove_ask", on_click=_ask, args=(True,))
            return
        explained = markup.fill(words.remove_explain, name=name, count=words.photos(samples))
        if faces := service.run_faces_of(name):
            explained += " " + markup.fill(words.remove_runs, count=words.faces(faces))
        st.html(markup.note("bad", explained))
        with st.container(horizontal=True):
            st.button(words.remove_keep, key="remove_keep", on_click=_ask, args=(False,))
            if st.button(words.remove_do, key="remove_go", type="primary"):
                with state.sentences():
                    with st.spinner(words.remove_working, show_time=False):
                        done = service.erase(name)
                    said = markup.fill(words.removed, name=name, count=words.photos(done.samples))
                    ending = words.removed_whole if done.complete else words.removed_traces
                    left = [*done.left, *done.absent, *(trace.file for trace in done.scan.traces)][:_SHOWN]
                    _finish(None, " ".join((said, markup.text(ending), *map(markup.text, left))))


def _ask(removing: bool) -> None:
    st.session_state["gallery_removing"] = removing
