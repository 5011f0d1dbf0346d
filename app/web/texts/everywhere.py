"""Words that more than one page uses."""

from __future__ import annotations

from typing import ClassVar


class English:
    """English."""

    html_lang = "en"
    product = "Knownface"
    start, enrol, verify, identify, gallery = "Start", "Enrol", "Verify", "Identify", "Gallery"
    upload, camera = "Upload", "Camera"
    source_label = "Where the photo comes from"
    photo_label = "Photo"
    photos_label = "Photos"
    camera_label = "Take a picture"
    looking = "Looking at the photo…"
    working = "Looking at photo {number} of {total}…"
    loading = "Loading the models…"
    face_choice = "Which face?"
    photo_alt = "Photo {name}: {faces}"
    crop_alt = "Face {number}"
    no_faces, one_face, many_faces = "no face found", "one face", "{count} faces"
    one_photo, many_photos = "1 photo", "{count} photos"
    too_many = "Only the first {limit} photos are used. Please bring the others in a second go."
    zip_empty = "{name}: holds no photos."
    too_much = (
        "These photos take {megabytes} MB together; at most {limit} MB are taken at once. Please remove some of them."
    )
    unexpected_system = "The system said: {message}."
    unexpected = "Something went wrong here. Reload the page; what was finished before is kept."
    models_missing = "The models are not installed yet"
    models_missing_how = "Run this command once in a terminal, then reload this page:"
    score = "score"
    threshold = "threshold"
    scale_alt = "Score {score} on a scale from {low} to {high}; the threshold is {threshold}."
    scale_low, scale_high = "different people", "same person"
    previous, following = "Previous", "Next"
    page_of, page_only = "{first}–{last} of {total}", "{first}–{last}"
    section_recognise, section_people, section_admin = "Recognise", "People", "Look after"
    language_label = "Language"
    #: What stands before the message of an error, which is in English; nothing where the page is in English too.
    errors: ClassVar[dict[str, str]] = {}
    other_error = ""

    def photos(self, count: int) -> str:
        """`1 photo`, `3 photos`."""
        return self.one_photo.format(count=count) if count == 1 else self.many_photos.format(count=count)

    def faces(self, count: int) -> str:
        """`no face found`, `one face`, `3 faces`."""
        if count < 2:
            return self.one_face if count else self.no_faces
        return self.many_faces.format(count=count)

    def error(self, code: str) -> str:
        """What to say before the message of an error; "" where the message says it all."""
        return self.errors.get(code, self.other_error)


class Chinese(English):
    """Simplified Chinese."""

    html_lang = "zh-Hans"
    start, enrol, verify, identify, gallery = "开始", "登记", "比对", "识别", "人员库"
    upload, camera = "上传", "拍照"
    source_label = "照片来源"
    photo_label = "照片"
    photos_label = "照片"
    camera_label = "拍一张照片"
    looking = "正在查看照片…"
    working = "正在查看第 {number} 张，共 {total} 张…"
    loading = "正在载入模型…"
    face_choice = "选择哪张脸？"
    photo_alt = "照片 {name}：{faces}"
    crop_alt = "人脸 {number}"
    no_faces, one_face, many_faces = "没有找到人脸", "一张人脸", "{count} 张人脸"
    one_photo, many_photos = "1 张照片", "{count} 张照片"
    too_many = "只使用前 {limit} 张照片，其余的请下一次再上传。"
    zip_empty = "{name}：里面没有照片。"
    too_much = "这些照片共 {megabytes} MB，一次最多 {limit} MB。请移除一些。"
    unexpected_system = "系统报告：{message}。"
    unexpected = "这里出了问题。请重新载入页面；之前完成的内容都已保留。"
    models_missing = "尚未安装模型"
    models_missing_how = "请在终端中运行一次下面的命令，然后重新载入本页："
    score = "得分"
    threshold = "阈值"
    scale_alt = "得分 {score}，刻度从 {low} 到 {high}；阈值为 {threshold}。"
    scale_low, scale_high = "不同的人", "同一个人"
    previous, following = "上一页", "下一页"
    page_of, page_only = "第 {first}–{last} 项，共 {total} 项", "第 {first}–{last} 项"
    section_recognise, section_people, section_admin = "辨认", "人员", "管理"
    language_label = "语言"
    other_error = "无法完成"
    errors: ClassVar[dict[str, str]] = {
        "photo_not_found": "找不到照片",
        "photo_unreadable": "无法读取照片",
        "photo_empty": "文件是空的",
        "photo_format": "不是支持的照片格式",
        "photo_damaged": "照片已损坏",
        "photo_too_large": "照片太大",
        "no_face": "没有找到人脸",
        "several_faces": "照片里有多张人脸",
        "degenerate_landmarks": "这张脸无法对齐",
        "model_missing": "模型没有安装",
        "subject_not_found": "没有这个人",
        "subject_exists": "这个名字已经存在",
        "subject_name": "这个名字不能使用",
        "duplicate_photo": "这张照片已经登记过",
        "gallery_busy": "人员库正忙，请稍后再试",
        "not_allowed": "没有权限",
        "no_operating_point": "没有可用的阈值",
        "config_invalid": "设置有误",
    }
