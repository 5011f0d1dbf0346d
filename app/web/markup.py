"""Pieces of HTML that Streamlit's own elements do not offer. All text that comes in is escaped here, and only here.

Streamlit's alerts, captions and labels read Markdown, in which a name could become a link or a picture: text of users
goes through these functions instead. `st.html` removes scripts on top of that.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape as _escape

from app.web.texts import words
from pipeline.errors import KnownfaceError
from pipeline.types import Decision, Detections, OperatingPoint

TONES = {
    "match": "good",
    "non_match": "bad",
    "unknown": "info",
    "ambiguous": "warn",
    "poor_image": "warn",
    "not_live": "bad",
}
SIGNS = {"good": "✓", "bad": "✗", "warn": "!", "info": "i"}
_KIND_SIGNS = {"match": "✓", "non_match": "✗", "unknown": "?", "ambiguous": "≈", "poor_image": "!", "not_live": "⊘"}
_SCALE = (-0.2, 1.0)


def text(value: object) -> str:
    """The text, harmless inside an element or an attribute in double quotes."""
    return _escape(str(value), quote=True)


def jpeg(data: bytes) -> str:
    """A JPEG as a `data:` address."""
    return "data:image/jpeg;base64," + b64encode(data).decode("ascii")


def png(data: bytes) -> str:
    """A PNG as a `data:` address."""
    return "data:image/png;base64," + b64encode(data).decode("ascii")


def foreign(message: str) -> str:
    """A sentence of the pipeline, which is in English whatever the page is in."""
    return text(message) if words.html_lang == "en" else f'<span lang="en">{text(message)}</span>'


def error(found: KnownfaceError | None) -> str:
    """What went wrong: its message, behind the kind of error in the words of the page where they are not English."""
    if found is None:
        return ""
    kind = words.error(found.code)
    return f"<b>{text(kind)}</b> {foreign(found.message)}" if kind else foreign(found.message)


def name(value: str) -> str:
    """A name or file name, kept from turning the direction of the text around it."""
    return f"<bdi>{text(value)}</bdi>"


def fill(sentence: str, **values: object) -> str:
    """A sentence of `texts` with its gaps filled: strings as names, everything escaped."""
    return text(sentence).format(
        **{key: name(value) if isinstance(value, str) else text(value) for key, value in values.items()}
    )


def sign(tone: str, mark: str | None = None) -> str:
    """The round sign in front of a line; colour is never the only difference."""
    return f'<span class="kf-sign {tone}" aria-hidden="true">{mark or SIGNS[tone]}</span>'


def note(tone: str, content: str) -> str:
    """A framed message. `content` is HTML made by this module."""
    role = "alert" if tone in {"bad", "warn"} else "status"
    return f'<div class="kf kf-note {tone}" role="{role}">{sign(tone)}<div>{content}</div></div>'


def lead(sentence: str) -> str:
    """The line below a page's title."""
    return f'<p class="kf kf-lead">{text(sentence)}</p>'


def lines(rows: Iterable[tuple[str, str]]) -> str:
    """A list of (tone, HTML made by this module), each with its sign."""
    items = "".join(f"<li>{sign(tone)}<span>{content}</span></li>" for tone, content in rows)
    return f'<ul class="kf kf-list">{items}</ul>'


def photo(
    picture: str,
    file: str,
    found: Detections | None,
    *,
    chosen: int | None = None,
    dots: bool = False,
    small: bool = False,
) -> str:
    """A photo with a numbered box per face, drawn over it in percent of its size.

    Args:
        picture: The photo as a `data:` address.
        file: What the photo is called.
        found: Its faces.
        chosen: Number of the face that stands out; None treats all alike.
        dots: Draw the landmarks of the faces that stand out.
        small: A smaller picture.
    """
    count = len(found) if found is not None else 0
    alt = text(words.photo_alt.format(name=file, faces=words.faces(count)))
    boxes = "" if found is None else "".join(_box(found, row, chosen, dots) for row in range(count))
    figure = f'<figure class="kf-photo"><img src="{picture}" alt="{alt}">{boxes}</figure>'
    size = " kf-small" if small else ""
    return f'<div class="kf{size}"><div class="kf-field">{figure}</div><p class="kf-file">{name(file)}</p></div>'


def _box(found: Detections, row: int, chosen: int | None, dots: bool) -> str:
    height, width = found.image_hw
    x0, y0, x1, y1 = (float(v) for v in found.boxes[row])
    x0, x1 = (min(max(x, 0.0), float(width)) for x in (x0, x1))
    y0, y1 = (min(max(y, 0.0), float(height)) for y in (y0, y1))
    place = f"left:{x0 / width:.3%};top:{y0 / height:.3%};width:{(x1 - x0) / width:.3%};height:{(y1 - y0) / height:.3%}"
    stands_out = chosen is None or chosen == row + 1
    number = f"<b>{row + 1}</b>" if len(found) > 1 else ""
    box = f'<span class="kf-box{"" if stands_out else " rest"}" style="{place}">{number}</span>'
    if not (dots and stands_out):
        return box
    return box + "".join(
        f'<span class="kf-dot" style="left:{(float(x) + 0.5) / width:.3%};top:{(float(y) + 0.5) / height:.3%}"></span>'
        for x, y in found.landmarks[row]
    )


def scale(score: float, threshold: float, tone: str, *, slim: bool = False) -> str:
    """The score on a bar: hatched from the threshold on, where scores are matches."""
    low, high = _SCALE
    at, limit = (min(max((v - low) / (high - low), 0.0), 1.0) for v in (score, threshold))
    label = text(words.scale_alt.format(score=f"{score:.3f}", low=low, high=high, threshold=f"{threshold:.3f}"))
    mark_text = here_text = ends = ""
    if not slim:
        mark_text = f"<span>{text(words.threshold)} {threshold:.3f}</span>"
        shift = "0%" if at < 0.04 else "-100%" if at > 0.96 else "-50%"  # so that the number stays inside
        here_text = f'<span style="--shift:{shift}">{score:.3f}</span>'
        ends = f'<div class="kf-ends"><span>{text(words.scale_low)}</span><span>{text(words.scale_high)}</span></div>'
    return (
        f'<div class="kf-scale {tone}{" slim" if slim else ""}" role="img" aria-label="{label}">'
        f'<div class="kf-bar"><i style="left:{limit:.2%}"></i></div>'
        f'<div class="kf-mark" style="left:{limit:.2%}">{mark_text}</div>'
        f'<div class="kf-here" style="left:{at:.2%}">{here_text}</div>{ends}</div>'
    )


def rate(value: float) -> str:
    """A rate in percent with three digits: `0.1 %`."""
    return f"{value * 100:.2g} %"


def verification(decision: Decision, point: OperatingPoint) -> str:
    """The answer to "the same person?", with the scale, the reason and the two error rates."""
    tone = TONES[decision.kind]
    title, meaning = {
        "match": (words.is_match, words.match_meaning),
        "poor_image": (words.is_poor, words.poor_meaning),
        "not_live": (words.is_not_live, words.not_live_meaning),
    }.get(decision.kind, (words.is_non_match, words.non_match_meaning))
    score, threshold = decision.score or 0.0, decision.threshold or 0.0
    rates = (
        f"<div><b>{rate(point.fmr)}</b><span>"
        f"{text(words.rate_false_match.format(upper=rate(point.fmr_upper)))}</span></div>"
        f"<div><b>{rate(point.fnmr)}</b><span>{text(words.rate_false_non_match)}</span></div>"
    )
    return (
        f'<section class="kf kf-card {tone}" role="status">'
        f"<h2>{sign(tone, _KIND_SIGNS[decision.kind])}{text(title)}</h2>"
        f"<p>{text(meaning)}</p>{scale(score, threshold, tone)}"
        f'<p class="kf-reason">{foreign(decision.reason)}</p><div class="kf-rates">{rates}</div></section>'
    )


def identified(crop: str, number: int | None, decision: Decision) -> str:
    """One face of a photo: who it is, the score, the runner-up and the reason; numbered where there are several."""
    tone = TONES.get(decision.kind, "warn")
    nobody = {
        "ambiguous": words.undecided_person,
        "poor_image": words.poor_person,
        "not_live": words.not_live_person,
    }
    other = nobody.get(decision.kind, words.unknown_person)
    who = name(decision.subject) if decision.subject is not None else text(other)
    tag = f'<span class="kf-tag">{text(words.kinds[decision.kind])}</span>' if decision.subject is not None else ""
    figures = bar = ""
    if decision.score is not None and decision.threshold is not None:
        figures = f"{text(words.score)} <b>{decision.score:.3f}</b> · {text(words.threshold)} {decision.threshold:.3f}"
        if decision.runner_up:
            best, score = decision.runner_up
            figures += " · " + fill(words.next_best, name=best, score=f"{score:.3f}")
        bar = scale(decision.score, decision.threshold, tone, slim=True)
    mark, count = sign(tone, _KIND_SIGNS.get(decision.kind)), f"{number}. " if number else ""
    alt = text(words.crop_alt.format(number=number or 1))
    return (
        f'<div class="kf kf-face {tone}"><img src="{crop}" alt="{alt}"><div>'
        f"<h2>{mark}<span>{count}{who}</span>{tag}</h2>{bar}<small>{figures}</small>"
        f'<p class="kf-reason">{foreign(decision.reason)}</p></div></div>'
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain texts."""
    head = "".join(f'<th scope="col">{text(column)}</th>' for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{name(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="kf kf-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
