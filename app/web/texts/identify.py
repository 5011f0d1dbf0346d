"""Words of the page Identify."""

from __future__ import annotations

from typing import ClassVar


class English:
    """English."""

    identify_lead = (
        "Bring photos, or a zip of photos. Every face gets a name from the gallery, or stays unknown when nobody is "
        "alike enough."
    )
    identify_empty = "Nobody is enrolled yet, so every face would stay unknown. Enrol somebody first."
    #: What became of the photos; {counts} are those below that are not zero, and the first.
    identify_summary = "{photos}: {counts}"
    identify_between = ", "
    identify_counts: ClassVar[dict[str, str]] = {
        "match": "{count} named",
        "unknown": "{count} unknown",
        "ambiguous": "{count} undecided",
        "poor_image": "{count} too poor to say",
        "not_live": "{count} not live",
        "failed": "{count} without a result",
    }
    kinds: ClassVar[dict[str, str]] = {
        "match": "found",
        "unknown": "unknown",
        "ambiguous": "undecided",
        "non_match": "no match",
        "poor_image": "poor image",
        "no_face": "no face",
        "not_live": "picture of a face",
    }
    unknown_person = "Unknown person"
    undecided_person = "Undecided"
    not_live_person = "Picture of a face, not a live one"
    poor_person = "Too poor a picture to say"
    next_best = "next best: {name}, {score}"
    download_csv, download_json, download_html = "Download CSV", "Download JSON", "Download report"
    report_title = "Who is in these photos"


class Chinese(English):
    """Simplified Chinese."""

    identify_lead = "请提供照片，或一个照片的 zip。每张脸都会得到人员库中的名字；没有足够相像的人时保持未知。"
    identify_empty = "还没有登记任何人，所以每张脸都会是未知。请先登记。"
    identify_summary = "{photos}：{counts}"
    identify_between = "，"
    identify_counts: ClassVar[dict[str, str]] = {
        "match": "{count} 已命名",
        "unknown": "{count} 未知",
        "ambiguous": "{count} 未定",
        "poor_image": "{count} 照片太差",
        "not_live": "{count} 不是真人",
        "failed": "{count} 没有结果",
    }
    kinds: ClassVar[dict[str, str]] = {
        "match": "找到",
        "unknown": "未知",
        "ambiguous": "未定",
        "non_match": "不匹配",
        "poor_image": "照片太差",
        "no_face": "没有人脸",
        "not_live": "脸的图片",
    }
    unknown_person = "未知的人"
    undecided_person = "未定"
    not_live_person = "脸的图片，不是真人"
    poor_person = "照片太差，无法判断"
    next_best = "其次：{name}，{score}"
    download_csv, download_json, download_html = "下载 CSV", "下载 JSON", "下载报告"
    report_title = "照片里有谁"
