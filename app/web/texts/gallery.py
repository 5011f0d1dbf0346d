"""Words of the page Gallery."""

from __future__ import annotations


class English:
    """English."""

    gallery_lead = "Everybody who is enrolled."
    gallery_empty = "Nobody is enrolled yet."
    search_label = "Search by name"
    search_none = "No name contains “{search}”."
    since = "since {date}"
    open_subject = "Open"
    back = "Back to everybody"
    sample_columns = ("No.", "Photo", "Face", "Enrolled")
    sample_face = "{width} × {height} px"
    sample_stale = "not searched: made with another model"
    export_do = "Download what is stored"
    export_help = "Everything that is stored about this person, as one JSON file."
    rename_title, rename_label, rename_do = "Rename", "New name", "Rename"
    renamed = "{old} is now called {new}."
    merge_title = "Merge with somebody"
    merge_search = "Find the other person"
    merge_label = "Move all photos to"
    merge_explain = "All photos of {source} move to {target}, and the name {source} disappears. This cannot be undone."
    merge_do = "Merge"
    merge_nobody = "Nobody else has such a name."
    merge_more = "Only the first {limit} names are offered; type more of the name."
    merged = "{source} was merged into {target}: {count} moved."
    split_title, split_do = "Split", "Split"
    split_which, split_name = "Photos to move (their numbers)", "To a new person"
    split_explain = "For photos that belong to somebody else: they move to a new name."
    split_none = "Choose the numbers of the photos to move."
    split_done = "{count} moved from {old} to {new}."
    remove_title, remove_ask, remove_do, remove_keep = "Remove", "Remove this person…", "Erase for good", "Keep"
    remove_explain = (
        "This erases {name} for good: the name, {count}, with what is stored of each (the template, where the face was "
        "and the file's name). Backups made earlier are not touched. It cannot be undone."
    )
    removed = "{name} was erased, with {count}."
    removed_traces = (
        "{name} was erased, with {count}. But something that looks like it was still found, or a file could not be "
        "read: the audit log says more."
    )


class Chinese(English):
    """Simplified Chinese."""

    gallery_lead = "所有已登记的人。"
    gallery_empty = "还没有登记任何人。"
    search_label = "按名字搜索"
    search_none = "没有名字包含“{search}”。"
    since = "自 {date}"
    open_subject = "打开"
    back = "返回全部"
    sample_columns = ("编号", "照片", "人脸", "登记时间")
    sample_face = "{width} × {height} 像素"
    sample_stale = "不参与搜索：由另一个模型生成"
    export_do = "下载已保存的内容"
    export_help = "关于此人保存的全部内容，一个 JSON 文件。"
    rename_title, rename_label, rename_do = "改名", "新名字", "改名"
    renamed = "{old} 现在叫 {new}。"
    merge_title = "与另一人合并"
    merge_search = "查找另一人"
    merge_label = "把所有照片移到"
    merge_explain = "{source} 的所有照片移到 {target}，名字 {source} 会消失。此操作无法撤销。"
    merge_do = "合并"
    merge_nobody = "没有其他人有这样的名字。"
    merge_more = "只列出前 {limit} 个名字；请多输入几个字。"
    merged = "{source} 已并入 {target}：移动了{count}。"
    split_title, split_do = "拆分", "拆分"
    split_which, split_name = "要移动的照片（编号）", "移到新的人"
    split_explain = "用于属于别人的照片：它们会移到一个新名字下。"
    split_none = "请选择要移动的照片编号。"
    split_done = "{count}从 {old} 移到了 {new}。"
    remove_title, remove_ask, remove_do, remove_keep = "删除", "删除此人…", "永久删除", "保留"
    remove_explain = (
        "这会永久删除 {name}：名字、{count}，以及每张所保存的内容（模板、人脸位置和文件名）。"
        "之前的备份不受影响。此操作无法撤销。"
    )
    removed = "{name} 已被删除，连同{count}。"
    removed_traces = "{name} 已被删除，连同{count}。但仍发现疑似残留，或有文件无法读取：详见审计日志。"
