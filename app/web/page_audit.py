"""Audit & settings: who did what, whether the log is whole, what is due, what is in force, and the users."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any

import streamlit as st

from app.access import Role
from app.audit_export import written
from app.services import Services
from app.web import audit_parts, audit_users, markup, state
from app.web.texts import words
from pipeline.gallery import Entry

_PER_PAGE = 25
_DETAIL = 200  # signs of a detail that are shown; all of it is in the export
_EXPORTED = 200_000  # entries of one download; the command line has no such limit
_PAGES, _VERDICT = "audit_pages", "audit_verdict"


def show() -> None:
    """Draws the page."""
    st.title(words.audit, anchor=False)
    st.html(markup.lead(words.audit_lead))
    with state.sentences():
        service = state.services()
        service.require(Role.ADMIN)
        parts: dict[str, tuple[str, Callable[[Services], None]]] = {
            "log": (words.audit_log, _log),
            "retention": (words.audit_retention, audit_parts.retention),
            "policy": (words.audit_policy, audit_parts.policy),
            "users": (words.audit_users, audit_users.show),
            "settings": (words.audit_settings, audit_parts.settings),
        }
        chosen = st.segmented_control(
            words.audit_part,
            list(parts),
            default="log",
            format_func=lambda name: parts[name][0],
            key="audit_part",
            label_visibility="collapsed",
        )
        parts[chosen or "log"][1](service)


def _log(service: Services) -> None:
    filters = _filters(service)
    before = st.session_state.setdefault(_PAGES, [None])
    found = service.audit_page(_PER_PAGE + 1, before=before[-1], **filters)
    if not found:
        st.html(markup.note("info", markup.text(words.audit_nothing)))
    st.html("".join(_entry(entry) for entry in found[:_PER_PAGE]))
    with st.container(horizontal=True):
        st.button(words.audit_newer, key="audit_newer", disabled=len(before) == 1, on_click=before.pop)
        older = len(found) > _PER_PAGE
        place = found[_PER_PAGE - 1].id if older else None
        st.button(words.audit_older, key="audit_older", disabled=not older, on_click=before.append, args=(place,))
    _verify(service)
    _export(service, filters)


def _filters(service: Services) -> dict[str, Any]:
    """What is to be shown; a change of it leads back to the newest."""
    actions = service.audit_actions()
    first, second = st.columns(2), st.columns(2)
    action = first[0].selectbox(words.audit_action, [None, *actions], format_func=_named, key="audit_action")
    actor = first[1].text_input(words.audit_actor, key="audit_actor").strip()
    since = second[0].date_input(words.audit_since, value=None, key="audit_since", format="YYYY-MM-DD")
    until = second[1].date_input(words.audit_until, value=None, key="audit_until", format="YYYY-MM-DD")
    filters = {
        "action": action,
        "actor": actor or None,
        "since": _start(since),
        "until": None if (end := _start(until)) is None else end + timedelta(days=1),
    }
    if st.session_state.get("audit_filters") != filters:
        st.session_state["audit_filters"] = filters
        st.session_state[_PAGES] = [None]
    return filters


def _named(action: str | None) -> str:
    return words.audit_any if action is None else words.audit_actions.get(action, action)


def _start(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, UTC)


def _entry(entry: Entry) -> str:
    """One entry: when and who, what, and the detail as it is kept."""
    when = f"{entry.at:%Y-%m-%d %H:%M:%S} UTC"
    action = words.audit_actions.get(entry.action)
    what = (
        f"<b>{markup.text(action)}</b> ({markup.text(entry.action)})"
        if action
        else f"<b>{markup.text(entry.action)}</b>"
    )
    target = f" · {markup.name(entry.target)}" if entry.target else ""
    detail = "" if entry.detail == "{}" else f"<code>{markup.text(_shown(entry.detail))}</code>"
    return (
        f'<div class="kf kf-entry"><small>{entry.id} · {when} · {markup.name(entry.actor or "–")}</small>'
        f"{what}{target} {detail}</div>"
    )


def _shown(detail: str) -> str:
    """The detail in one line, cut where it is long."""
    try:
        text = json.dumps(json.loads(detail), ensure_ascii=False)
    except ValueError:
        text = detail
    return text if len(text) <= _DETAIL else f"{text[:_DETAIL]}…"


def _verify(service: Services) -> None:
    st.header(words.audit_whole_title, anchor=False)
    st.html(f'<p class="kf">{markup.text(words.audit_whole_means)}</p>')
    if st.button(words.audit_verify, key="audit_verify"):
        with st.spinner(words.audit_verifying):
            st.session_state[_VERDICT] = service.verify_audit()
    verdict = st.session_state.get(_VERDICT)
    if verdict is None:
        return
    if verdict.findings:
        rows = "".join(f"<li>{markup.foreign(finding.message)}</li>" for finding in verdict.findings)
        content = f"<b>{markup.text(words.audit_broken)}</b><ul>{rows}</ul><p>{markup.text(words.audit_broken_how)}</p>"
        st.html(markup.note("bad", content))
    elif verdict.signed_by:
        said = words.audit_whole.format(entries=f"{verdict.entries:,}", key=verdict.signed_by[:16])
        st.html(markup.note("good", markup.text(said)))
    else:
        st.html(markup.note("info", markup.text(words.audit_empty)))


def _export(service: Services, filters: dict[str, Any]) -> None:
    st.header(words.audit_export, anchor=False)
    st.html(f'<p class="kf">{markup.text(words.audit_export_does)}</p>')
    with st.container(horizontal=True):
        for name, mime, as_csv in (("jsonl", "application/jsonl", False), ("csv", "text/csv", True)):
            st.download_button(
                words.audit_as[name],
                _file(service, filters, as_csv=as_csv),
                file_name=f"knownface-audit.{name}",
                mime=mime,
                key=f"audit_{name}",
                on_click="ignore",
            )


def _file(service: Services, filters: dict[str, Any], *, as_csv: bool) -> Callable[[], str]:
    """Made when it is asked for, not whenever the page is drawn."""
    return lambda: "".join(written(service, islice(service.audit(**filters), _EXPORTED), as_csv=as_csv))
