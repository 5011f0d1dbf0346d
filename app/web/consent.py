"""Asking for the consent of the person to be enrolled: what for, and until when. The policy says whether it must be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import streamlit as st

from app.services import Services
from app.web import markup
from app.web.texts import words
from pipeline.gallery import NewConsent

_YEAR = 365


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of it.

    Attributes:
        consent: To be recorded with the photos; None where none was given here.
        missing: The policy wants one, and there is none: nobody can be enrolled yet.
    """

    consent: NewConsent | None
    missing: bool


def ask(service: Services, subject: str | None, key: str) -> Asked:
    """Draws the questions.

    Args:
        service: Whose policy counts.
        subject: The person, normalised; None while there is no name.
        key: Of the widgets.
    """
    rule = service.policy.consent
    in_force = subject is not None and service.gallery.has_consent(subject)
    needed = rule.required and rule.default is None and not in_force
    begun = bool(st.session_state.get(f"{key}_given"))  # what is being filled in stays open
    with st.expander(words.consent_title, expanded=needed or begun):
        if in_force:
            st.html(markup.note("info", markup.text(words.consent_in_force)))
        given = st.checkbox(words.consent_given, key=f"{key}_given")
        purpose = _purpose(rule.purposes, key)
        until = _until(rule.max_days, key)
    ends = until is not None or rule.max_days is None
    consent = None
    if given and purpose and ends:
        expires = datetime.combine(until + timedelta(days=1), datetime.min.time(), UTC) if until else None
        consent = NewConsent(purpose, expires=expires)
    missing = consent is None and (needed or given)
    if missing and subject is not None:
        st.html(markup.note("warn", markup.text(words.consent_missing if needed else words.consent_half)))
    return Asked(consent, missing)


def _purpose(allowed: tuple[str, ...], key: str) -> str:
    if allowed:
        return str(st.selectbox(words.consent_purpose, allowed, key=f"{key}_purpose") or "")
    return st.text_input(words.consent_purpose, key=f"{key}_purpose", max_chars=200).strip()


def _until(max_days: int | None, key: str) -> date | None:
    """The last day; the day itself counts, and the policy's limit holds for its end."""
    today = datetime.now(UTC).date()
    last = None if max_days is None else today + timedelta(days=max(1, max_days) - 1)
    in_a_year = today + timedelta(days=_YEAR)
    first, latest = (min(last, in_a_year), last) if last else (in_a_year, today + timedelta(days=100 * _YEAR))
    return st.date_input(
        words.consent_until,
        first,
        min_value=today,
        max_value=latest,
        key=f"{key}_until",
    )
