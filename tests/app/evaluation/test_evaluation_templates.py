"""Templates of several photos: lists in both forms, and the mean of means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.evaluation.pairs import compare_found
from app.evaluation.templates import fuse, read_media, read_template_pairs
from pipeline.errors import ConfigError, NoFaceError, PhotoError
from tests.fakes import MODEL_ID, vector_of

IJB_MEDIA = "1.jpg 10 500\n2.jpg 10 501\n3.jpg 10 501\n4.jpg 20 502\n5.jpg 30 503\n"
IJB_PAIRS = "10 20 1\n10 30 0\n"
CSV_MEDIA = (
    "photo,template,medium,subject\n"
    "1.jpg,10,500,Ada\n2.jpg,10,501,Ada\n3.jpg,10,501,Ada\n4.jpg,20,,Ada\n5.jpg,30,,Bob\n"
)
CSV_PAIRS = "a,b,mated,age\n10,20,1,old\n10,30,0,young\n"


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def unit(row: np.ndarray) -> np.ndarray:
    return row / np.linalg.norm(row)


def test_both_forms_say_the_same(tmp_path: Path) -> None:
    ijb, own = read_media(written(tmp_path, "m.txt", IJB_MEDIA)), read_media(written(tmp_path, "m.csv", CSV_MEDIA))
    assert ijb.names() == own.names() == [f"{i}.jpg" for i in range(1, 6)]
    assert [[list(n) for n in m.photos["10"].values()] for m in (ijb, own)] == [[["1.jpg"], ["2.jpg", "3.jpg"]]] * 2
    assert own.subjects == {"10": "Ada", "20": "Ada", "30": "Bob"}
    assert own.first_photo("10") == "1.jpg"
    one = read_template_pairs(written(tmp_path, "p.txt", IJB_PAIRS), ijb)
    other = read_template_pairs(written(tmp_path, "p.csv", CSV_PAIRS), own)
    assert [(p.a, p.b, p.mated) for p in one] == [(p.a, p.b, p.mated) for p in other]
    assert [p.groups for p in other] == [(("age", "old"),), (("age", "young"),)]
    assert (other[1].subject_a, other[1].subject_b) == ("Ada", "Bob")


def test_a_medium_counts_once_and_failures_count(tmp_path: Path) -> None:
    media = read_media(written(tmp_path, "m.csv", CSV_MEDIA))
    found: dict[str, np.ndarray | PhotoError] = {f"{i}.jpg": vector_of(i) for i in (1, 2, 3, 4)}
    found["5.jpg"] = NoFaceError("5.jpg: no face")
    fused = fuse(media, found)  # type: ignore[arg-type]
    expected = unit(vector_of(1) + (vector_of(2) + vector_of(3)) / 2)
    np.testing.assert_allclose(fused["10"], expected, atol=1e-6)
    np.testing.assert_allclose(fused["20"], vector_of(4), atol=1e-6)
    assert isinstance(fused["30"], PhotoError)
    report = compare_found(read_template_pairs(written(tmp_path, "p.csv", CSV_PAIRS), media), fused, MODEL_ID)
    assert report.scores[0] == pytest.approx(float(expected @ vector_of(4)), abs=1e-6)
    assert list(report.failures) == ["", "no_face"]
    found["3.jpg"] = NoFaceError("3.jpg: no face")
    again = fuse(media, found)["10"]  # type: ignore[arg-type]
    np.testing.assert_allclose(again, unit(vector_of(1) + vector_of(2)), atol=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("media", "pairs", "message"),
    [
        ("1.jpg 10\n", IJB_PAIRS, "m: line 1"),
        ("../1.jpg 10 5\n", IJB_PAIRS, "m: line 1"),
        ("", IJB_PAIRS, "names no photos"),
        ("photo,medium\n", IJB_PAIRS, "m: line 1"),
        ("photo,template,subject\nx,1,Ada\ny,1,Bob\n", IJB_PAIRS, "m: line 3: template 1 is of Ada and of Bob"),
        (IJB_MEDIA, "10 20\n", "p: line 1"),
        (IJB_MEDIA, "10 20 1\n10 99 0\n", "p: line 2: there is no template 99"),
        (IJB_MEDIA, "10 20 2\n", "p: line 1"),
        (IJB_MEDIA, "a,b,mated\n10,20,x\n", "p: line 2"),
        (IJB_MEDIA, "10 20 1\n", "mated and non-mated"),
    ],
)
def test_bad_lists_are_named(tmp_path: Path, media: str, pairs: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_template_pairs(written(tmp_path, "p", pairs), read_media(written(tmp_path, "m", media)))
