"""Words of the page Models."""

from __future__ import annotations

from typing import ClassVar


class English:
    """English."""

    models = "Models"
    models_lead = "The networks that find and tell faces apart: what is installed, under which terms, and what is used."
    models_tasks: ClassVar[dict[str, str]] = {
        "detector": "Finds faces",
        "refiner": "Refines eyes, nose and mouth",
        "embedder": "Tells people apart",
        "liveness": "Tells faces from pictures of faces",
        "eyes": "Tells whether eyes are open",
    }
    models_none = "None is installed."
    models_in_use = "in use"
    models_licence, models_commercial, models_trained = "Licence of the weights", "Commercial use", "Trained on"
    models_commercial_no = "not allowed by that licence"
    models_runs, models_size, models_id = "Runs on", "Size", "Identity"
    models_measured = "Measured figures of {name}"
    models_points = ("For (gallery of)", "Threshold", "Different people who match", "Missed")
    models_more = "More models"
    models_pull = (
        "Models are fetched in a terminal on this machine, not from this page: that reaches the internet and accepts "
        "licences, which is for whoever looks after the machine. “knownface models list” shows all that are known."
    )
    models_admin = "Changing models takes an admin."
    models_job = "The change of models"
    models_states: ClassVar[dict[str, str]] = {
        "starting": "Changing to {name}: the work begins",
        "embedding": "Changing to {name}: everybody is looked at with it",
        "preparing": "Changing to {name}: the thresholds are carried over",
        "done": "{name}: done",
        "refused": "{name}: it did not go on, and nothing has changed",
        "stopped": "{name}: stopped; what was done is kept",
        "prepared": "{name}: prepared, and not used yet",
    }
    models_by = "Started by {name}."
    models_leave_page = "You may leave this page: the work goes on, and searches go on with the model of before."
    models_embedded = "{done} of {total} photos"
    models_stop, models_go_on = "Stop", "Go on"
    models_switch = "Another model to tell people apart"
    models_switch_does = (
        "Everybody enrolled is looked at anew with it, and then the gallery goes over to it in one step. Until then "
        "everything stays as it is."
    )
    models_rollback = "Go back to {name}"
    models_rollback_help = "The model of before. Who was enrolled since is looked at with it first."
    models_no_other = "No other such model is installed."
    models_to = "Change to"
    models_photos = "Folder with the original photos (where no crops are kept)"
    models_photos_help = (
        "The whole path of a folder of this machine. A photo is known by its bytes, whatever it is called. Without "
        "crops and photos nobody can be looked at anew."
    )
    models_check, models_checking = "Who could be left behind?", "Looking for everybody's photos…"
    models_nobody_left = "Nobody is left behind: all {count} can be looked at with the new model."
    models_left = "{people} of {of} people, with {samples} photos, cannot be looked at with the new model"
    models_left_means = (
        "Give the folder with the original photos, or enrol these people again afterwards. Until then they are "
        "searched with the model of before, which makes every search slower."
    )
    models_left_columns = ("Person", "Photo", "Why")
    models_left_more = "And {count} more."
    models_leave = "Leave these people behind"
    models_go = "Change to {name}"
    models_liveness = "Liveness"
    models_liveness_on = "On: {name} judges whether a face is live."
    models_liveness_off = "Off: a picture held up to the camera counts as the person."
    models_liveness_known = (
        "Measured on printed photos of nine people only: 0 of 24 prints passed, 0 of 24 live faces were refused, and "
        "the 95 % intervals reach 14 %. Screens, masks, make-up and injected video were not measured, nor other "
        "cameras, light or skin tones. Do not rely on it where somebody has a reason to cheat."
    )
    models_liveness_stop, models_liveness_start = "Turn liveness off", "Turn liveness on"
    models_liveness_none = "No model for it is installed. In a terminal on this machine:"


class Chinese(English):
    """Simplified Chinese."""

    models = "模型"
    models_lead = "寻找和区分人脸的网络：装了什么、许可条款、正在使用什么。"
    models_tasks: ClassVar[dict[str, str]] = {
        "detector": "寻找人脸",
        "refiner": "精确定位眼、鼻、嘴",
        "embedder": "区分不同的人",
        "liveness": "区分真人与照片",
        "eyes": "判断眼睛是否睁开",
    }
    models_none = "没有安装。"
    models_in_use = "使用中"
    models_licence, models_commercial, models_trained = "权重的许可", "商业用途", "训练数据"
    models_commercial_no = "该许可不允许"
    models_runs, models_size, models_id = "运行于", "大小", "标识"
    models_measured = "{name} 的测量数据"
    models_points = ("用于（人员库大小）", "阈值", "不同的人被当成同一人", "漏认")
    models_more = "更多模型"
    models_pull = (
        "模型要在本机的终端里下载，不能从本页下载：下载会访问互联网并接受许可条款，应由管理这台机器的人来做。"
        "“knownface models list”会列出全部已知模型。"
    )
    models_admin = "更换模型需要管理员。"
    models_job = "模型更换"
    models_states: ClassVar[dict[str, str]] = {
        "starting": "正在换成 {name}：工作开始了",
        "embedding": "正在换成 {name}：用它重新查看所有人",
        "preparing": "正在换成 {name}：转换阈值",
        "done": "{name}：完成",
        "refused": "{name}：未能继续，什么都没有改变",
        "stopped": "{name}：已停止；完成的部分保留",
        "prepared": "{name}：已准备好，尚未使用",
    }
    models_by = "由 {name} 启动。"
    models_leave_page = "您可以离开本页：工作会继续，期间仍用之前的模型搜索。"
    models_embedded = "{done} 张，共 {total} 张照片"
    models_stop, models_go_on = "停止", "继续"
    models_switch = "换用另一个区分人的模型"
    models_switch_does = "先用新模型重新查看所有已登记的人，然后人员库一步切换过去。在此之前一切不变。"
    models_rollback = "退回 {name}"
    models_rollback_help = "之前的模型。此后登记的人会先用它查看一遍。"
    models_no_other = "没有安装其他这类模型。"
    models_to = "换成"
    models_photos = "原始照片所在的文件夹（没有保存人脸小图时）"
    models_photos_help = (
        "本机上一个文件夹的完整路径。照片按内容识别，与文件名无关。既没有小图也没有照片，就无法重新查看。"
    )
    models_check, models_checking = "谁会被落下？", "正在寻找每个人的照片…"
    models_nobody_left = "没有人被落下：全部 {count} 人都能用新模型查看。"
    models_left = "{of} 人中有 {people} 人（{samples} 张照片）无法用新模型查看"
    models_left_means = (
        "请提供原始照片的文件夹，或者之后重新登记这些人。在那之前，他们仍用之前的模型搜索，每次搜索都会变慢。"
    )
    models_left_columns = ("人员", "照片", "原因")
    models_left_more = "还有 {count} 人。"
    models_leave = "把这些人落下"
    models_go = "换成 {name}"
    models_liveness = "活体检测"
    models_liveness_on = "已开启：{name} 判断是否为真人。"
    models_liveness_off = "已关闭：对着镜头举起的照片也算本人。"
    models_liveness_known = (
        "只用九个人的打印照片测过：24 张打印照片通过 0 张，24 张真人被拒 0 张，95 % 区间达到 14 %。"
        "屏幕、面具、化妆和注入的视频没有测过，其他摄像头、光线和肤色也没有。如果有人有作弊的动机，请不要依赖它。"
    )
    models_liveness_stop, models_liveness_start = "关闭活体检测", "开启活体检测"
    models_liveness_none = "没有安装这类模型。请在本机的终端里运行："
