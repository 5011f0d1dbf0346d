"""What is due by the policy and its erasure, the policy in force, and the settings."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from app.erasing import Retained
from app.policy import policy_file
from app.services import Services
from app.web import guard, markup, state
from app.web.texts import words

_DUE, _SURE = "audit_due", "audit_sure"
_SHOWN = 100
#: A password inside of an address.
_SECRET = re.compile(r"(?<=//)([^:/@\s]*):[^@/\s]*@")


def retention(service: Services) -> None:
    """Whose time is over, listed first, then erased."""
    rule = service.policy.retention
    facts = [
        (words.policy_grace, words.policy_days.format(days=rule.grace_days)),
        (words.policy_age, _days(rule.max_age_days)),
        (words.policy_runs, _days(rule.runs_days)),
    ]
    st.html(_facts(facts))
    if st.button(words.due_list, key="audit_due_list"):
        st.session_state[_DUE] = service.retain(dry_run=True)
        st.session_state[_SURE] = False
    planned: Retained | None = st.session_state.get(_DUE)
    if planned is None:
        return
    if planned.erased:
        _erased(planned)
        return
    going = [one for one in planned.due if not one.held]
    if not planned.due and not planned.runs:
        st.html(markup.note("good", markup.text(words.due_nobody)))
        return
    rows = [
        (one.subject, words.due_reasons[one.reason], f"{one.since:%Y-%m-%d}", words.due_held if one.held else "")
        for one in planned.due[:_SHOWN]
    ]
    rows += [(name, words.due_run, "", "") for name in planned.runs[:_SHOWN]]
    st.html(markup.table(words.due_columns, rows))
    if more := max(0, len(planned.due) - _SHOWN) + max(0, len(planned.runs) - _SHOWN):
        st.html(f'<p class="kf kf-file">{markup.fill(words.models_left_more, count=more)}</p>')
    if not going and not planned.runs:
        return
    st.html(markup.note("warn", markup.text(words.due_means)))
    sure = st.checkbox(words.due_sure, key=_SURE)
    label = words.due_erase.format(people=len(going), runs=len(planned.runs))
    if st.button(label, key="audit_erase", disabled=not sure):
        with st.spinner(words.due_erasing):
            done = service.retain(dry_run=False)
        st.session_state[_DUE] = done if done.erased else None
        if not done.erased:
            st.html(markup.note("good", markup.fill(words.due_done, people=0, runs=len(done.runs))))
        else:
            state.again()


def _erased(done: Retained) -> None:
    """The certificates, by the log's entries; the names are gone."""
    said = markup.fill(words.due_done, people=len(done.erased), runs=len(done.runs))
    st.html(markup.note("good" if all(one.complete for one in done.erased) else "warn", said))
    rows = []
    for one in done.erased[:_SHOWN]:
        complete = (
            words.due_complete if one.complete else words.due_traces.format(count=len(one.scan.traces) + len(one.left))
        )
        rows.append((one.subject_id, str(one.samples), complete, str(one.entry[0])))
    st.html(markup.table(words.due_certificate, rows))


def policy(service: Services) -> None:
    """What is demanded, kept and logged."""
    found = service.policy
    consent = found.consent
    facts = [
        (words.policy_name, found.name),
        (words.policy_file, str(policy_file(service.settings))),
        (words.policy_consent, words.policy_required if consent.required else words.policy_free),
        (words.policy_purposes, ", ".join(consent.purposes) or words.policy_any),
        (words.policy_until, _days(consent.max_days)),
        (words.policy_grace, words.policy_days.format(days=found.retention.grace_days)),
        (words.policy_age, _days(found.retention.max_age_days)),
        (words.policy_runs, _days(found.retention.runs_days)),
        (words.policy_log, words.policy_logged[found.audit.decisions]),
    ]
    st.html(_facts(facts))
    problems = service.policy_problems()
    if problems:
        rows = "".join(f"<li>{markup.foreign(problem.message)}</li>" for problem in problems[:_SHOWN])
        st.html(markup.note("warn", f"<b>{markup.fill(words.policy_problems, count=len(problems))}</b><ul>{rows}</ul>"))
    else:
        st.html(markup.note("good", markup.text(words.policy_kept)))
    st.html(f'<p class="kf">{markup.text(words.policy_change)}</p>')
    st.code("knownface policy use strict", language=None)


def settings(service: Services) -> None:
    """What is in force, what differs from the defaults first. Passwords in addresses are not shown."""
    used = service.settings
    chosen = used.model_dump(mode="json")
    usual: dict[str, Any] = {
        name: field.get_default(call_default_factory=True) for name, field in type(used).model_fields.items()
    }
    rows = [(name, _value(value), "" if value == _plain(usual[name]) else "•") for name, value in chosen.items()]
    st.html(f'<p class="kf">{markup.text(words.settings_from)}</p>')
    st.html(_facts([(words.settings_file, str(guard.config_file() or used.home / "settings.toml"))]))
    st.html(markup.table(words.settings_columns, sorted(rows, key=lambda row: not row[2])))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else str(value) if hasattr(value, "parts") else value


def _value(value: Any) -> str:
    """As the settings file writes it, but for quotes and brackets."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:_}" if isinstance(value, int) else f"{value:g}"
    return _SECRET.sub(r"\1:***@", str(value)) or "–"


def _days(days: int | None) -> str:
    return words.policy_ever if days is None else words.policy_days.format(days=days)


def _facts(facts: list[tuple[str, str]]) -> str:
    lines = "".join(f"<dt>{markup.text(name)}</dt><dd>{markup.name(value)}</dd>" for name, value in facts)
    return f'<dl class="kf kf-facts">{lines}</dl>'
