"""Challenge: movements that are asked for, and a video of somebody who makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app.photos import Upload
from app.services import Services
from app.web import markup, state
from app.web.texts import words
from pipeline.challenge import Challenge, ChallengePolicy, Step
from pipeline.errors import ChallengeError
from pipeline.extra import need

if TYPE_CHECKING:
    from app.video.challenge import Answer

#: In the session: the challenge that awaits its video; what came of the last one; how many there were.
_ASKED, _CAME, _COUNT = "kf_challenge", "kf_challenge_came", "kf_challenge_count"


def show() -> None:
    """Draws the page."""
    st.title(words.challenge, anchor=False)
    st.html(markup.lead(words.challenge_lead))
    st.html(markup.note("info", markup.text(words.challenge_limits)))
    with state.sentences():
        need("video", "av")
        service = state.services()
        asked: Challenge | None = st.session_state.get(_ASKED)
        label = words.challenge_new if asked is None else words.challenge_other
        if st.button(label, type="primary" if asked is None else "secondary"):
            _ask(service)
            state.again()
        if asked is not None:
            _steps(asked.steps)
            _bring(service, asked)
        came = st.session_state.get(_CAME)
        if isinstance(came, ChallengeError):
            st.html(markup.note("bad", markup.error(came)))
        elif came is not None:
            st.html(_result(came))


def _ask(service: Services) -> None:
    """Makes a challenge; a video that was brought for the one before is let go."""
    from app.video.challenge import new_for

    st.session_state[_ASKED] = new_for(service)
    _forget_video()
    st.session_state.pop(_CAME, None)


def _forget_video() -> None:
    """The next uploader has another key: what was in the one before is dropped."""
    st.session_state[_COUNT] = st.session_state.get(_COUNT, 0) + 1


def _steps(steps: Sequence[Step]) -> None:
    said = [words.challenge_still, *(words.challenge_steps[step] for step in steps)]
    rows = "".join(f"<li>{markup.text(sentence)}</li>" for sentence in said)
    minutes = round(ChallengePolicy().valid_s / 60)
    until = markup.fill(words.challenge_until, minutes=minutes)
    title = markup.text(words.challenge_do)
    st.html(f'<section class="kf kf-card info"><h2>{title}</h2><ol>{rows}</ol><p>{until}</p></section>')


def _bring(service: Services, asked: Challenge) -> None:
    """Takes a video, judges it, and goes on to the answer; one that cannot be opened leaves the challenge as it is."""
    from app.video.challenge import answer

    mirrored = st.checkbox(words.challenge_mirrored, key="challenge_mirrored")
    key = f"challenge_video_{st.session_state.get(_COUNT, 0)}"
    video = st.file_uploader(words.challenge_video, type="video", key=key)
    if video is None:
        return
    with st.spinner(words.challenge_judging, show_time=False), state.turn():
        try:
            came: Answer | ChallengeError = answer(
                service, asked.nonce, Upload(video.name, video.getvalue()), mirrored=mirrored
            )
        except ChallengeError as error:
            came = error
    st.session_state[_CAME] = came
    st.session_state.pop(_ASKED, None)
    _forget_video()
    state.again()


def _result(came: Answer) -> str:
    """Whether it was followed, why not, and by whom."""
    outcome, decision = came.outcome, came.decision
    tone = "good" if outcome.followed else "bad"
    if outcome.failure is None:
        names = words.challenge_between.join(words.challenge_step_names[done.step] for done in outcome.steps)
        lines = [markup.fill(words.challenge_done, steps=names)]
    else:
        at = markup.fill(words.challenge_at, seconds=f"{outcome.at_s:.1f}")
        lines = [markup.text(words.challenge_why[outcome.failure]) + " " + at, markup.text(words.challenge_again)]
    if decision is not None:
        who = (
            markup.fill(words.challenge_who, name=decision.subject)
            if decision.subject
            else markup.fill(words.challenge_nobody, kind=words.kinds[decision.kind])
        )
        lines += [who, f'<span class="kf-reason">{markup.foreign(decision.reason)}</span>']
    title = words.challenge_followed if outcome.followed else words.challenge_not
    body = "".join(f"<p>{line}</p>" for line in lines)
    return (
        f'<section class="kf kf-card {tone}" role="status"><h2>{markup.sign(tone)}{markup.text(title)}</h2>'
        f"{body}</section>"
    )
