"""Words of the page Enrol."""

from __future__ import annotations

from typing import ClassVar

from pipeline.quality import SENTENCES


class English:
    """English."""

    enrol_lead = (
        "Give a name and bring photos that show the person clearly. One is enough; a few different ones are better."
    )
    name_label = "Name"
    name_help = "Any name. Photos of a person who is enrolled already are added to that person."
    name_missing = "Give the person a name, then enrol."
    name_known = "{name} is enrolled already with {count}; these photos will be added."
    judge_no_face = "No face was found. Use a photo in which the face is larger, sharper or less turned."
    judge_several = "{count} faces: choose the one to enrol by the number in the picture."
    judge_good = "One clear face, {width} pixels wide."
    judge_face = "One face, {width} pixels wide."
    judge_chosen = "Face {number} is chosen, {width} pixels wide."
    judge_advice: ClassVar[dict[str, str]] = SENTENCES
    judge_fits = "Fits the photos of {name} that are already here (score {score})."
    judge_repeats = (
        "Nearly the same picture as one of {name} that is already here (score {score}): it adds little. A photo with "
        "other light or another expression adds more."
    )
    judge_adds = "It differs enough from them to add something."
    judge_unlike = (
        "Does not look like the photos of {name} that are already here (score {score}, threshold {threshold}). "
        "Is it really the same person?"
    )
    judge_already = "Already here as {name}? The face scores {score} with that person (threshold {threshold})."
    judge_ambiguous = "Looks like two people who are enrolled: {name} and {other}."
    judge_apart = "Does not look like any of the other photos brought here. Is it the same person?"
    judge_same_file = "The same photo as one above; it counts once."
    use_name = "Use that name"
    enrol_one, enrol_many = "Enrol 1 photo", "Enrol {count} photos"
    enrol_none = "Enrol"
    enrol_skips = "{count} will be left out: no usable face, or none chosen yet."
    done_enrolled = "Enrolled: {name}, from {photo}"
    done_already = "Enrolled before, nothing changed: {name}, from {photo}"
    undo = "Undo this enrolment"
    undone = "Undone: {count} removed again."
    consent_title = "Consent"
    consent_given = "The person has agreed to this"
    consent_purpose = "What for"
    consent_until = "Until (this day included)"
    consent_in_force = "A consent of this person is in force. A further one may be recorded here."
    consent_missing = "This gallery asks for consent: confirm it, say what for, and until when."
    consent_half = "Say what the consent is for, and until when; or take the tick away."
    consent_recorded = "Consent recorded: {purpose}."


class Chinese(English):
    """Simplified Chinese."""

    enrol_lead = "输入名字，并提供能看清此人的照片。一张就够，几张不同的更好。"
    name_label = "名字"
    name_help = "任何名字都可以。已登记的人的照片会加到这个人名下。"
    name_missing = "请先输入名字，再登记。"
    name_known = "{name} 已登记，有{count}；这些照片会加进去。"
    judge_no_face = "没有找到人脸。请使用人脸更大、更清晰或更正面的照片。"
    judge_several = "{count} 张人脸：请按照片中的编号选择要登记的一张。"
    judge_good = "一张清晰的人脸，宽 {width} 像素。"
    judge_face = "一张人脸，宽 {width} 像素。"
    judge_chosen = "已选择人脸 {number}，宽 {width} 像素。"
    judge_advice: ClassVar[dict[str, str]] = {
        "sharpness": "人脸模糊：请拿稳相机、擦净镜头，或靠近一些。",
        "dynamic_range": "人脸对比度低：请用更均匀、更强的光线。",
        "under_exposure": "人脸太暗：请面向光源。",
        "over_exposure": "人脸局部过曝：请用柔和的光线，不用闪光灯。",
        "illumination": "人脸只有一侧受光：请面向光源。",
        "yaw": "人脸转向一侧：请正视镜头。",
        "pitch": "人脸上仰或下俯：请把相机放在眼睛的高度。",
        "inter_eye": "照片中的人脸太小：请靠近一些，或使用更大的照片。",
        "completeness": "人脸有一部分在照片之外：请退后一些。",
        "compression": "照片压缩得太厉害：请使用原始文件，而不是预览图。",
        "eyes_open": "眼睛像是闭着或被遮住：请睁开眼睛，摘下墨镜，避免镜片反光。",
    }
    judge_fits = "与这里已有的 {name} 的照片相符（得分 {score}）。"
    judge_repeats = "与这里已有的 {name} 的一张照片几乎相同（得分 {score}），作用不大。换一种光线或表情的照片更有用。"
    judge_adds = "它与那些照片有足够的差别，能增加新的信息。"
    judge_unlike = "不像这里已有的 {name} 的照片（得分 {score}，阈值 {threshold}）。真的是同一个人吗？"
    judge_already = "是不是已经以 {name} 登记了？这张脸与此人的得分为 {score}（阈值 {threshold}）。"
    judge_ambiguous = "像两个已登记的人：{name} 和 {other}。"
    judge_apart = "不像这次提供的其他任何一张照片。是同一个人吗？"
    judge_same_file = "与上面的一张照片相同，只算一次。"
    use_name = "使用这个名字"
    enrol_one, enrol_many = "登记 1 张照片", "登记 {count} 张照片"
    enrol_none = "登记"
    enrol_skips = "{count}没有可用的人脸或尚未选定，将被略过。"
    done_enrolled = "已登记：{name}，来自 {photo}"
    done_already = "以前登记过，没有变化：{name}，来自 {photo}"
    undo = "撤销这次登记"
    undone = "已撤销：{count}又被移除。"
    consent_title = "同意"
    consent_given = "此人已同意"
    consent_purpose = "用途"
    consent_until = "有效期至（含当日）"
    consent_in_force = "此人的一项同意正在有效期内。可以在这里再记录一项。"
    consent_missing = "这个人员库要求取得同意：请确认，并说明用途和有效期。"
    consent_half = "请说明同意的用途和有效期，或取消勾选。"
    consent_recorded = "已记录同意：{purpose}。"
