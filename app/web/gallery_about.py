"""What is known of one person: the photos, what they agreed to, and whether they may be erased."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from app.services import Services
from app.web import markup
from app.web.texts import words
from pipeline.gallery import Consent, SampleInfo

#: Photos that are shown of one person.
MOST = 200
_SECOND = timedelta(seconds=1)


def samples(service: Services, held: Sequence[SampleInfo]) -> None:
    """The enrolled photos, with the faces where those are kept."""
    shown = held[:MOST]
    crops = service.gallery.crops([sample.id for sample in shown])
    figures = "".join(
        f'<figure><img src="{markup.png(crops[sample.id])}" alt="{markup.text(words.crop_alt.format(number=number))}">'
        f"<figcaption><b>{number}</b></figcaption></figure>"
        for number, sample in enumerate(shown, 1)
        if sample.id in crops
    )
    if figures:
        st.html(f'<div class="kf kf-faces">{figures}</div>')
    st.html(markup.table(words.sample_columns, [_row(number, sample) for number, sample in enumerate(shown, 1)]))
    if len(held) > MOST:
        st.html(markup.note("info", markup.fill(words.sample_more, limit=MOST, count=len(held))))


def _row(number: int, sample: SampleInfo) -> tuple[str, ...]:
    x0, y0, x1, y1 = sample.box
    size = words.sample_face.format(width=round(x1 - x0), height=round(y1 - y0))
    face = size if sample.has_template else f"{size} ({words.sample_stale})"
    quality = "–" if sample.quality is None else f"{sample.quality:.0f}"
    return str(number), sample.source, face, quality, f"{sample.created:%Y-%m-%d %H:%M} UTC"


def rights(service: Services, name: str) -> None:
    """Consents, and a legal hold where there is one."""
    for hold in (one for one in service.gallery.holds() if one.subject == name):
        until = words.hold_open if hold.until is None else f"{hold.until:%Y-%m-%d}"
        sentence = markup.fill(words.hold_there, date=f"{hold.placed:%Y-%m-%d}", until=until, who=hold.actor)
        st.html(markup.note("warn", f"<b>{sentence}</b><p>{markup.name(hold.reason)}</p>"))
    consents = service.gallery.consents(name)
    if consents:
        st.subheader(words.consents_title, anchor=False)
        st.html(markup.table(words.consents_columns, [_consent(one) for one in consents]))
    elif service.policy.consent.required:
        st.html(markup.note("warn", markup.text(words.consents_none)))


def _consent(one: Consent) -> tuple[str, ...]:
    if one.withdrawn is not None:
        state = words.consents_withdrawn.format(date=f"{one.withdrawn:%Y-%m-%d}")
    else:
        state = words.consents_in_force if one.holds_at(datetime.now(UTC)) else words.consents_ended
    last = (
        words.consents_no_end if one.expires is None else f"{one.expires - _SECOND:%Y-%m-%d}"
    )  # the day itself counts
    return one.purpose, f"{one.given:%Y-%m-%d}", last, state, one.recorded_by
