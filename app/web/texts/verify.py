"""Words of the page Verify."""

from __future__ import annotations


class English:
    """English."""

    verify_lead = "Bring two photos. Knownface compares one face of each and shows what its answer rests on."
    side_a, side_b = "First photo", "Second photo"
    verify_wait = "The answer appears here once both photos show a face."
    verify_same_photo = "Both sides show the same file. To learn something, bring two different photos."
    is_match, is_non_match, is_poor = "Same person", "Not the same person", "This picture cannot tell"
    is_not_live = "Not a live face"
    not_live_meaning = "One of the photos looks like a picture of a face: a print or a screen held up to the camera."
    match_meaning = "The two faces are alike enough to be taken for one person."
    non_match_meaning = "The two faces are not alike enough to be taken for one person."
    poor_meaning = "The two faces are not alike enough, but one of them is too poor for that to say much."
    rates_title = "What this threshold stands for"
    rate_false_match = "of pairs of different people are wrongly taken for one person (at most {upper}, 95 % interval)"
    rate_false_non_match = "of pairs of one person are missed"
    rate_origin = "The threshold comes from {origin}."
    rate_basis = "Measured on {non_mated} pairs of different people and {mated} pairs of one person: {measured_on}."
    rate_model = "Model: {model_id}. The score is the cosine similarity of the two faces; higher is more alike."
    details = "How this was measured"


class Chinese(English):
    """Simplified Chinese."""

    verify_lead = "请提供两张照片。Knownface 从每张中取一张脸进行比较，并说明结论的依据。"
    side_a, side_b = "第一张照片", "第二张照片"
    verify_wait = "两张照片都找到人脸后，结果会显示在这里。"
    verify_same_photo = "两边是同一个文件。请提供两张不同的照片，结果才有意义。"
    is_match, is_non_match, is_poor = "是同一个人", "不是同一个人", "这张照片无法判断"
    is_not_live = "不是真人的脸"
    not_live_meaning = "其中一张照片看起来是脸的图片：举到相机前的打印件或屏幕。"
    match_meaning = "两张脸足够相像，可以认为是同一个人。"
    non_match_meaning = "两张脸不够相像，不能认为是同一个人。"
    poor_meaning = "两张脸不够相像，但其中一张质量太差，不足以下结论。"
    rates_title = "这个阈值意味着什么"
    rate_false_match = "的不同人照片对会被误认为同一个人（95 % 置信区间上限 {upper}）"
    rate_false_non_match = "的同一人照片对会被漏掉"
    rate_origin = "阈值来自：{origin}。"
    rate_basis = "在 {non_mated} 对不同人和 {mated} 对同一人的照片上测得：{measured_on}。"
    rate_model = "模型：{model_id}。得分是两张脸的余弦相似度，越高越相像。"
    details = "这是如何测得的"
