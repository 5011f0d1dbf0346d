"""Calibrate: an error rate, the threshold that keeps it on people of one's own, and what that threshold means."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from app import calibration
from app.access import Role
from app.services import Services
from app.web import calibrate_charts, calibrate_data, markup, state
from app.web.calibrate_data import Measured
from app.web.texts import words
from pipeline.calibration import Look, look
from pipeline.errors import CalibrationError, NoOperatingPointError
from pipeline.types import OperatingPoint

Task = Literal["verify", "identify"]
_RATES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001, 0.00003, 0.00001)
_FEWEST = 3  # people whose comparisons say anything about how sure a rate is
_SAID, _TASK, _RATE, _TRY = "calibrate_said", "calibrate_task", "calibrate_rate", "calibrate_try"


def show() -> None:
    """Draws the page."""
    st.title(words.calibrate, anchor=False)
    st.html(markup.lead(words.calibrate_lead))
    with state.sentences():
        service = state.services()
        service.require(Role.OPERATOR)
        with st.spinner(words.loading, show_time=False):
            service.gallery, service.recognizer  # noqa: B018 - loads them, or says what is missing
        if said := st.session_state.pop(_SAID, ""):
            st.html(markup.note("good", said))
        _in_force(service)
        measured = _people(service)
        if measured is not None:
            _measured(service, measured)


def _in_force(service: Services) -> None:
    """The thresholds that are used now, and the way back to the model's own."""
    with st.container(border=True):
        st.header(words.calibrate_now, anchor=False)
        rows = []
        for task in ("verify", "identify"):
            try:
                point = service.verify_point() if task == "verify" else service.identify_point()
            except NoOperatingPointError as error:
                rows.append(("warn", markup.error(error)))
                continue
            said = words.calibrate_now_verify if task == "verify" else words.calibrate_now_identify
            values = {"threshold": f"{point.threshold:.3f}", "rate": markup.rate(point.fmr)}
            rows.append(("info", f"{markup.fill(said, **values)} ({markup.foreign(point.origin)})"))
        st.html(markup.lines(rows))
        if service.calibration():
            st.button(words.calibrate_clear, key="calibrate_clear", on_click=_clear, help=words.calibrate_clear_help)


def _clear() -> None:
    with state.sentences():
        calibration.clear(state.services())
        st.session_state[_SAID] = markup.text(words.calibrate_cleared)


def _people(service: Services) -> Measured | None:
    """The people to measure on, as chosen; None until there are any."""
    labels = {
        "gallery": words.calibrate_of_gallery,
        "zip": words.calibrate_of_zip,
        "folder": words.calibrate_of_folder,
    }
    st.header(words.calibrate_people, anchor=False)
    kind = st.segmented_control(
        words.calibrate_people,
        list(labels),
        default="gallery",
        format_func=labels.__getitem__,
        key="calibrate_source",
        label_visibility="collapsed",
    )
    if kind == "zip":
        file = st.file_uploader(words.calibrate_zip, type=["zip"], key="calibrate_zip", help=words.calibrate_layout)
        return calibrate_data.of_zip(service, file) if file else None
    if kind == "folder":
        folder = st.text_input(words.calibrate_folder, key="calibrate_folder", help=words.calibrate_layout)
        return calibrate_data.of_folder(service, folder) if folder.strip() else None
    if not len(service.gallery):
        st.html(markup.note("info", markup.text(words.calibrate_nobody)))
        return None
    return calibrate_data.of_gallery(service)


def _measured(service: Services, measured: Measured) -> None:
    source = measured.source
    usable = int(source.photos.usable.sum())
    st.html(
        f'<p class="kf kf-file">{markup.fill(words.calibrate_found, people=measured.people, photos=usable)}'
        f"{_left_out(measured)}</p>"
    )
    st.header(words.calibrate_wish, anchor=False)
    labels: dict[Task, str] = {"verify": words.calibrate_verify, "identify": words.calibrate_identify}
    task: Task = (
        st.segmented_control(
            words.calibrate_task, list(labels), default="verify", format_func=labels.__getitem__, key=_TASK
        )
        or "verify"
    )
    asked = words.calibrate_rate_verify if task == "verify" else words.calibrate_rate_identify
    usual = service.settings.verify_fmr if task == "verify" else service.settings.identify_fpir
    default = min(_RATES, key=lambda rate: abs(rate - usual))
    rate = st.select_slider(asked, _RATES, value=default, format_func=markup.rate, key=f"{_RATE}_{task}")
    size = max(1, len(service.gallery))
    point = None
    try:
        fmrs, fpirs = ((rate,), ()) if task == "verify" else ((), (rate,))
        points = measured.calibrate(service, fmrs, fpirs, size).points
        point = points[0]
    except CalibrationError as error:
        content = f"<b>{markup.text(words.calibrate_refused)}</b><p>{markup.foreign(error.message)}</p>"
        st.html(markup.note("warn", content))
    if measured.compared.check.verify.subjects < _FEWEST:
        return
    seen = look(measured.compared, task, size)
    if point is not None:
        st.html(_result(point))
        if st.button(words.calibrate_save, key="calibrate_save", type="primary"):
            calibration.keep(service, points)
            saved = words.calibrate_saved.format(threshold=f"{point.threshold:.3f}")
            st.session_state[_SAID] = markup.text(saved)
            state.again()
    _charts(seen, point, f"{task}_{rate}")


def _left_out(measured: Measured) -> str:
    source = measured.source
    failed, said = sum(source.failures.values()), ""
    if failed:
        said += " " + markup.fill(words.calibrate_failed, count=failed)
    if source.repeated:
        said += " " + markup.fill(words.calibrate_copies, count=source.repeated)
    if len(measured.compared.rows) < len(source.photos.owners):
        said += " " + markup.fill(words.calibrate_drawn, count=len(measured.compared.rows))
    return said


def _result(point: OperatingPoint) -> str:
    """The threshold, what it means, and how sure that is."""
    verify = point.task == "verify"
    meaning = words.calibrate_means_verify if verify else words.calibrate_means_identify
    wrong = words.calibrate_wrong_verify if verify else words.calibrate_wrong_identify
    missed = words.calibrate_missed_verify if verify else words.calibrate_missed_identify
    size = f"{point.gallery_size:,}" if point.gallery_size else ""
    threshold, upper = f"{point.threshold:.3f}", markup.rate(point.fmr_upper)
    means = markup.text(meaning.format(threshold=threshold, size=size))
    behind = markup.text(wrong.format(upper=upper, count=f"{point.non_mated:,}", one_in=_one_in(point.fmr_upper)))
    lost = markup.text(missed.format(count=f"{point.mated:,}"))
    beyond = ""
    if point.method not in ("", "counted"):
        beyond = f'<p class="kf-reason">{markup.text(words.calibrate_beyond)}</p>'
    return (
        f'<section class="kf kf-card good" role="status"><h2>{markup.sign("good")}'
        f"{markup.text(words.calibrate_threshold.format(threshold=threshold))}</h2><p>{means}</p>"
        f'<div class="kf-rates"><div><b>{markup.rate(point.fmr)}</b><span>{behind}</span></div>'
        f"<div><b>{markup.rate(point.fnmr)}</b><span>{lost}</span></div></div>{beyond}</section>"
    )


def _one_in(rate: float) -> str:
    return f"{round(1 / rate):,}" if rate > 0 else "∞"


def _charts(seen: Look, point: OperatingPoint | None, key: str) -> None:
    """The charts, at the threshold that was found or at one that is tried."""
    found = point.threshold if point is not None else 0.5
    low, high = float(seen.thresholds[0]), float(seen.thresholds[-1])
    tried = st.slider(
        words.calibrate_try,
        round(low, 2),
        round(high, 2),
        round(found, 3),
        0.005,
        format="%.3f",
        key=f"{_TRY}_{key}_{found:.4f}",
        help=words.calibrate_try_help,
    )
    threshold = found if point is not None and abs(tried - found) < 0.0026 else tried
    at = seen.at(threshold)
    values = {
        "threshold": f"{threshold:.3f}",
        "wrong": markup.rate(at.wrong.value),
        "upper": markup.rate(at.wrong.upper),
        "missed": markup.rate(at.missed),
    }
    said = words.calibrate_at_verify if seen.size is None else words.calibrate_at_identify
    st.html(f'<p class="kf" role="status">{markup.fill(said, **values)}</p>')
    for column, made, title in zip(
        st.columns(2, gap="medium"),
        (calibrate_charts.histogram, calibrate_charts.det),
        (words.calibrate_histogram, words.calibrate_det),
        strict=True,
    ):
        figure, alt = made(seen, threshold)
        with column:
            st.html(f'<h3 class="kf kf-chart">{markup.text(title)}</h3>')
            st.plotly_chart(figure, config=calibrate_charts.QUIET, alt=alt, key=f"{made.__name__}_chart")
            st.html(f'<p class="kf kf-file">{markup.text(alt)}</p>')
    with st.expander(words.calibrate_table):
        st.html(calibrate_charts.table(seen, threshold))
