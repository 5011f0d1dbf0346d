"""Words of the page Batch."""

from __future__ import annotations

from typing import ClassVar


class English:
    """English."""

    batch = "Batch"
    batch_lead = (
        "Names for all photos of a folder. A run goes on when you leave this page, and when the server is started anew."
    )
    batch_nobody = (
        "Nobody is enrolled yet, so every face will be unknown. That is a way to begin: afterwards, name the people on "
        "the page “Unknowns”."
    )
    batch_start_title = "New run"
    batch_source = "Where the photos are"
    batch_sources: ClassVar[dict[str, str]] = {"folder": "Folder on the server", "zip": "Zip of photos"}
    batch_name = "Name of the run"
    batch_name_help = "Letters, digits, spaces and . _ + -"
    batch_folder = "Folder"
    batch_folder_help = "Its whole path, on the machine where Knownface runs. Sub-folders are included."
    batch_sub = "Folder in it (may stay empty)"
    batch_no_folders = (
        "No folders are open to this page. Whoever runs the server names them in the settings (batch_folders); until "
        "then, bring a zip."
    )
    batch_zip = "Zip of photos"
    batch_keep = "Keep the photos on the server until the run is removed"
    batch_do = "Start the run"
    batch_nothing = "Give the run a name, and say which photos."
    batch_started = "The run {name} was started."
    batch_started_zip = "The run {name} was started, over {count}."
    batch_list = "Runs"
    batch_none = "There are no runs yet. Start one above; what it finds is listed here."
    batch_none_viewer = "There are no runs yet. An operator can start one."
    batch_states: ClassVar[dict[str, str]] = {
        "starting": "starting",
        "walking": "looking for files",
        "running": "under way",
        "deciding": "putting names to faces",
        "watching": "watching its folder",
        "finished": "finished",
        "stopped": "stopped",
        "failed": "could not be finished",
    }
    batch_progress = "{done} of {total} files"
    one_file, many_files = "1 file", "{count} files"
    batch_counts = "{files}, {faces}"
    batch_failed_files = "{files} without a result"
    batch_started_by = "started {date} UTC by {who}"
    batch_started_at = "started {date} UTC"
    batch_report, batch_csv = "Open the report", "Table (CSV)"
    batch_stop = "Stop"
    batch_stopping = "{name} was asked to stop; what is complete is kept."
    batch_again = "Run again"
    batch_again_help = "Does what is new or failed, and decides everything by the people enrolled now."
    batch_remove = "Remove…"
    batch_remove_explain = (
        "This erases the run {name}: pictures and templates of {count}, their names, and the photos that were brought "
        "along for it. The photos of a folder on the server are not touched, and nobody who is enrolled either."
    )
    batch_remove_do, batch_remove_keep = "Erase the run", "Keep it"
    batch_removed = "The run {name} was erased."

    def files(self, count: int) -> str:
        """`1 file`, `3,000 files`."""
        return (self.one_file if count == 1 else self.many_files).format(count=f"{count:,}")


class Chinese(English):
    """Simplified Chinese."""

    batch = "批量"
    batch_lead = "为整个文件夹的照片找出名字。离开本页或重启服务器后，任务仍会继续。"
    batch_nobody = "还没有登记任何人，因此每张脸都会是未知的。也可以这样开始：之后在“未知人员”页面为他们命名。"
    batch_start_title = "新任务"
    batch_source = "照片在哪里"
    batch_sources: ClassVar[dict[str, str]] = {"folder": "服务器上的文件夹", "zip": "照片压缩包"}
    batch_name = "任务名称"
    batch_name_help = "字母、数字、空格以及这些符号：. _ + -"
    batch_folder = "文件夹"
    batch_folder_help = "运行 Knownface 的机器上的完整路径，包括子文件夹。"
    batch_sub = "其中的文件夹（可以不填）"
    batch_no_folders = "没有对本页开放的文件夹。由运行服务器的人在设置（batch_folders）中指定；在此之前请上传压缩包。"
    batch_zip = "照片压缩包"
    batch_keep = "把照片保留在服务器上，直到任务被删除"
    batch_do = "开始任务"
    batch_nothing = "请输入任务名称，并选择照片。"
    batch_started = "任务 {name} 已开始。"
    batch_started_zip = "任务 {name} 已开始，共{count}。"
    batch_list = "任务列表"
    batch_none = "还没有任务。请在上面开始一个，结果会列在这里。"
    batch_none_viewer = "还没有任务。操作员可以开始一个。"
    batch_states: ClassVar[dict[str, str]] = {
        "starting": "正在启动",
        "walking": "正在查找文件",
        "running": "进行中",
        "deciding": "正在判定名字",
        "watching": "正在监视文件夹",
        "finished": "已完成",
        "stopped": "已停止",
        "failed": "无法完成",
    }
    batch_progress = "已处理 {done} 个文件，共 {total} 个"
    one_file, many_files = "1 个文件", "{count} 个文件"
    batch_counts = "{files}，{faces}"
    batch_failed_files = "{files}没有结果"
    batch_started_by = "由 {who} 于 {date} UTC 启动"
    batch_started_at = "于 {date} UTC 启动"
    batch_report, batch_csv = "打开报告", "表格（CSV）"
    batch_stop = "停止"
    batch_stopping = "已要求 {name} 停止；已完成的部分会保留。"
    batch_again = "再次运行"
    batch_again_help = "处理新的或失败的文件，并按现在登记的人重新判定全部结果。"
    batch_remove = "删除…"
    batch_remove_explain = (
        "这会删除任务 {name}：{count}的图片和模板、它们的名字，以及为此上传的照片。"
        "服务器文件夹中的照片不受影响，已登记的人也不受影响。"
    )
    batch_remove_do, batch_remove_keep = "删除任务", "保留"
    batch_removed = "任务 {name} 已删除。"
