"""Models: what is installed and what is known of it, the change to another embedder as a job, liveness on and off."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import model_jobs
from app.access import Role
from app.model_jobs import OFF, Standing
from app.model_rows import model_row
from app.reembed import Problem
from app.services import Services
from app.web import guard, markup, state
from app.web.texts import words
from pipeline.types import OperatingPoint
from pipeline.weights import Card, ModelStore

_TASKS = ("detector", "refiner", "embedder", "liveness", "eyes")
_CHOSEN, _CHECKED, _PHOTOS, _LEAVE = "models_chosen", "models_checked", "models_photos", "models_leave"
_SHOWN = 20
_EVERY_S = 2.0


def show() -> None:
    """Draws the page."""
    st.title(words.models, anchor=False)
    st.html(markup.lead(words.models_lead))
    with state.sentences():
        state.follow_choice()
        service = state.services()
        service.open_gallery_if_there()
        rows = _rows(service)
        _job(service)
        for task in _TASKS:
            _task(task, [row for row in rows if row["task"] == task])
        st.subheader(words.models_more, anchor=False)
        st.html(f'<p class="kf">{markup.text(words.models_pull)}</p>')
        st.code("knownface models pull NAME", language=None)
        if service.actor.role < Role.ADMIN:
            st.html(markup.note("info", markup.text(words.models_admin)))
            return
        _switch(service, rows)
        _liveness(service, rows)


def _rows(service: Services) -> list[dict[str, Any]]:
    """Every model that is installed, or damaged, with its card."""
    settings = service.in_force
    stack = {task: getattr(settings, task) for task in _TASKS}
    found = ModelStore(settings.models_dir).list()
    rows = [model_row(row, stack, settings) | {"card": row.card} for row in found]
    return [row for row in rows if row["installed"] or row["problem"]]


def _task(task: str, rows: list[dict[str, Any]]) -> None:
    """The models for one task."""
    st.html(f'<h2 class="kf kf-name">{markup.text(words.models_tasks[task])}</h2>')
    if not rows:
        st.html(f'<p class="kf kf-file">{markup.text(words.models_none)}</p>')
    for row in sorted(rows, key=lambda one: (not one["in_use"], one["name"])):
        with st.container(border=True):
            st.html(_model(row))
            if points := row["card"].operating_points:
                with st.expander(words.models_measured.format(name=row["name"])):
                    st.html(_points(points))


def _model(row: dict[str, Any]) -> str:
    card: Card = row["card"]
    tag = f'<span class="kf-tag">{markup.text(words.models_in_use)}</span>' if row["in_use"] else ""
    facts = [(words.models_licence, card.licence.weights)]
    if not card.licence.commercial_use:
        facts.append((words.models_commercial, words.models_commercial_no))
    facts += [(words.models_trained, card.licence.training_data)]
    if row["installed"]:
        ms = (row["runtime"] or {"ms": {}})["ms"].get((row["runs_on"] or "").split("/")[0])
        runs = f"{row['runs_on']}, {ms:.1f} ms" if ms else row["runs_on"]
        facts += [(words.models_runs, runs or row["precision"]), (words.models_size, f"{row['size'] / 1e6:.1f} MB")]
        facts += [(words.models_id, row["model_id"])]
    lines = "".join(f"<dt>{markup.text(name)}</dt><dd>{markup.name(str(value))}</dd>" for name, value in facts)
    problem = markup.note("warn", markup.foreign(row["problem"])) if row["problem"] else ""
    title = f"<small>{markup.name(card.title)}</small>" if card.title else ""
    tone = "good" if row["in_use"] else "info"
    return (
        f'<div class="kf kf-model {tone}"><h3>{markup.name(row["name"])}{tag}</h3>{title}'
        f'<dl class="kf-facts">{lines}</dl>{problem}</div>'
    )


def _points(points: tuple[OperatingPoint, ...]) -> str:
    rows = []
    for point in points:
        size = "" if point.gallery_size is None else f" ({point.gallery_size:,})"
        wrong = f"{markup.rate(point.fmr)} (≤ {markup.rate(point.fmr_upper)})"
        task = words.verify if point.task == "verify" else words.identify
        rows.append((f"{task}{size}", f"{point.threshold:.3f}", wrong, markup.rate(point.fnmr)))
    on = dict.fromkeys(point.measured_on for point in points)
    said = "".join(f'<p class="kf-reason">{markup.foreign(text)}</p>' for text in on)
    return markup.table(words.models_points, rows) + said


# --- the job ------------------------------------------------------------------------------------------------------


def _job(service: Services) -> None:
    """How far a change is; looked at again and again while it goes on."""
    now = model_jobs.standing(service)
    if now.state != "none":
        st.subheader(words.models_job, anchor=False)
        st.fragment(_progress, run_every=_EVERY_S if now.busy else None)()


def _progress() -> None:
    with state.sentences():
        service = state.services()
        now = model_jobs.standing(service)
        was_busy = st.session_state.get("models_busy", False)
        st.session_state["models_busy"] = now.busy
        st.html(_standing(now))
        if now.busy and now.total:
            share = min(1.0, now.done / now.total)
            st.progress(share, text=words.models_embedded.format(done=f"{now.done:,}", total=f"{now.total:,}"))
        if service.actor.role >= Role.ADMIN and now.ours:
            if now.busy:
                st.button(words.models_stop, key="models_stop", on_click=_stop)
            elif now.state == "stopped":
                st.button(words.models_go_on, key="models_go_on", type="primary", on_click=_go_on)
        if was_busy and not now.busy:
            state.again()


def _standing(now: Standing) -> str:
    tone = {"done": "good", "prepared": "good", "refused": "bad", "stopped": "warn"}.get(now.state, "info")
    said = markup.fill(words.models_states[now.state], name=now.what or "?")
    by = f'<p class="kf-reason">{markup.fill(words.models_by, name=now.by)}</p>' if now.by else ""
    message = f"<p>{markup.foreign(now.message)}</p>" if now.message else ""
    leave = f'<p class="kf-reason">{markup.text(words.models_leave_page)}</p>' if now.busy else ""
    return markup.note(tone, f"<b>{said}</b>{message}{by}{leave}")


def _stop() -> None:
    with state.sentences():
        model_jobs.stop(state.services())


def _go_on() -> None:
    with state.sentences():
        model_jobs.go_on(state.services())


# --- asking for one -----------------------------------------------------------------------------------------------


def _switch(service: Services, rows: list[dict[str, Any]]) -> None:
    st.subheader(words.models_switch, anchor=False)
    st.html(f'<p class="kf">{markup.text(words.models_switch_does)}</p>')
    names = [row["name"] for row in rows if row["task"] == "embedder" and row["installed"] and not row["in_use"]]
    busy = model_jobs.standing(service).busy
    kept = service.gallery.switching().state()
    if kept is not None and kept.previous is not None:
        label = words.models_rollback.format(name=kept.previous.embedder)
        if st.button(label, key="models_rollback", disabled=busy, help=words.models_rollback_help):
            model_jobs.rollback(service, config=guard.config_file())
            state.again()
    if not names:
        st.html(markup.note("info", markup.text(words.models_no_other)))
        return
    chosen = st.selectbox(words.models_to, names, key=_CHOSEN, disabled=busy)
    photos = st.text_input(words.models_photos, key=_PHOTOS, disabled=busy, help=words.models_photos_help).strip()
    if st.button(words.models_check, key="models_check", disabled=busy):
        with st.spinner(words.models_checking):
            problems = model_jobs.expected(service, chosen, photos)
        st.session_state[_CHECKED] = (chosen, photos, service.gallery.generation, problems)
    checked = st.session_state.get(_CHECKED)
    if checked is None or checked[:3] != (chosen, photos, service.gallery.generation):
        return
    leave = _left(service, checked[3])
    label = words.models_go.format(name=chosen)
    if st.button(label, key="models_go", type="primary", disabled=busy or (bool(checked[3]) and not leave)):
        model_jobs.use(service, chosen, photos=photos, leave_behind=leave, config=guard.config_file())
        st.session_state[_CHECKED] = None
        state.again()


def _left(service: Services, problems: list[Problem]) -> bool:
    """Says who would be left behind; returns whether that is agreed to."""
    people = model_jobs.people_of(problems)
    if not people:
        said = markup.fill(words.models_nobody_left, count=len(service.gallery))
        st.html(markup.note("good", said))
        return False
    said = markup.fill(words.models_left, people=len(people), of=len(service.gallery), samples=len(problems))
    st.html(markup.note("warn", f"<b>{said}</b><p>{markup.text(words.models_left_means)}</p>"))
    shown = [(name, rows[0].photo, rows[0].reason) for name, rows in list(people.items())[:_SHOWN]]
    st.html(markup.table(words.models_left_columns, shown))
    if len(people) > _SHOWN:
        st.html(f'<p class="kf kf-file">{markup.fill(words.models_left_more, count=len(people) - _SHOWN)}</p>')
    return st.checkbox(words.models_leave, key=_LEAVE)


def _liveness(service: Services, rows: list[dict[str, Any]]) -> None:
    """On and off, with what is known and what is not."""
    st.subheader(words.models_liveness, anchor=False)
    names = [row["name"] for row in rows if row["task"] == "liveness" and row["installed"]]
    used = service.settings.liveness
    on = used != "none"
    said = markup.fill(words.models_liveness_on, name=used) if on else markup.text(words.models_liveness_off)
    st.html(markup.note("warn" if on else "info", f"<b>{said}</b><p>{markup.text(words.models_liveness_known)}</p>"))
    busy = model_jobs.standing(service).busy
    if on:
        if st.button(words.models_liveness_stop, key="liveness_off", disabled=busy):
            model_jobs.use(service, OFF["liveness"], config=guard.config_file())
            state.again()
    elif not names:
        st.html(f'<p class="kf">{markup.text(words.models_liveness_none)}</p>')
        st.code("knownface models pull liveness.faceplugin", language=None)
    else:
        name = names[0] if len(names) == 1 else st.selectbox(words.models_liveness, names, key="liveness_chosen")
        if st.button(words.models_liveness_start, key="liveness_on", disabled=busy):
            model_jobs.use(service, name, config=guard.config_file())
            state.again()
