"""Words of the page Audit & settings."""

from __future__ import annotations

from typing import ClassVar


class English:
    """English."""

    audit = "Audit & settings"
    audit_lead = "Who did what, what may not be kept any longer, what is demanded, and who may log in."
    audit_part = "What to look at"
    audit_log, audit_retention, audit_policy, audit_users = "Log", "Retention", "Policy", "Users"
    audit_settings = "Settings"
    audit_action, audit_actor, audit_any = "What", "Who (the whole name)", "everything"
    audit_since, audit_until = "From", "Until"
    audit_actions: ClassVar[dict[str, str]] = {
        "audit_start": "The log begins",
        "audit_accept": "Log signed as it stands",
        "audit_export": "Log exported",
        "backup": "Backup made",
        "restore": "Backup restored",
        "repair": "Gallery repaired",
        "consent": "Consent recorded",
        "consent_withdraw": "Consent withdrawn",
        "document": "Thresholds or tuning saved",
        "drop_document": "Thresholds or tuning dropped",
        "enrol": "Enrolled",
        "erase": "Erased",
        "erase_certificate": "Erasure certified",
        "remove": "Removed",
        "remove_sample": "Photo removed",
        "rename": "Renamed",
        "merge": "Merged",
        "split": "Split",
        "export": "Person exported",
        "hold": "Legal hold placed",
        "release": "Legal hold lifted",
        "rights_accept": "Consents and hold taken as they stand",
        "identify": "Identified",
        "verify": "Verified",
        "search": "Search begun",
        "calibration_job": "Calibration asked for",
        "run": "Run over a folder",
        "run_remove": "Run removed",
        "watch": "Camera watched",
        "enrol_check": "Looked at before enrolling",
        "enrol_undo": "Enrolment undone",
        "key_add": "API key made",
        "key_remove": "API key removed",
        "lockout": "Name locked",
        "login": "Logged in",
        "login_refused": "Log-ins refused",
        "logout": "Logged out",
        "model_begin": "Model noted",
        "model_embed": "Looked at with another model",
        "model_forget": "Former models forgotten",
        "model_job": "Change of models asked for",
        "model_switch": "Model changed",
        "policy": "Policy changed",
        "retention": "Retention run",
        "user_add": "User added",
        "user_password": "Password changed",
        "user_remove": "User removed",
        "user_role": "Role changed",
        "challenge": "Challenge answered",
        "vault_open": "Encrypted gallery opened",
        "vault_init": "Encryption begun",
        "vault_rotate": "New key begun",
        "vault_drop": "Former keys of files dropped",
        "vault_done": "Everything encrypted with it",
    }
    audit_nothing = "No entry fits."
    audit_newer, audit_older = "Newer", "Older"
    audit_whole_title = "Is the log whole?"
    audit_whole_means = (
        "Each entry carries the hash of the one before, and the end is signed with this machine's key: whoever "
        "changes, removes or adds one afterwards is found out. People stand in it by a random id only."
    )
    audit_verify, audit_verifying = "Verify the log", "Reading every entry…"
    audit_whole = "The log is whole: {entries} entries, the end signed with the key {key}…"
    audit_broken = "The log was changed, or something of it is missing:"
    audit_broken_how = "Find out who could write to the gallery; “knownface audit accept” signs it as it stands."
    audit_empty = "The log is empty."
    audit_export = "Take it along"
    audit_export_does = "What is shown above, on all pages, with the hashes. That it was taken along goes into the log."
    audit_as: ClassVar[dict[str, str]] = {"jsonl": "As JSON Lines, signed", "csv": "As CSV"}
    due_list = "Who is due?"
    due_nobody = "Nobody's time is over, and no run is too old."
    due_columns = ("Who", "Why", "Since", "")
    due_reasons: ClassVar[dict[str, str]] = {
        "consent_expired": "the consent has ended",
        "consent_withdrawn": "the consent was withdrawn",
        "too_old": "the newest photo is too old",
    }
    due_held, due_run = "stays: legal hold", "a run that is too old"
    due_means = (
        "Erasing takes these people out of the gallery, the runs and the caches, looks for what might be left, and "
        "certifies that in the log. It cannot be undone. Backups made earlier are not touched."
    )
    due_sure = "I have read the list"
    due_erase = "Erase for good (people: {people}, runs: {runs})"
    due_erasing = "Erasing, and looking for what might be left…"
    due_done = "Erased (people: {people}, runs: {runs})."
    due_certificate = ("Id in the log", "Photos", "Looked through", "Entry")
    due_complete, due_traces = "nothing is left", "{count} traces are left: see the entry"
    policy_name, policy_file = "Policy", "File"
    policy_consent, policy_required, policy_free = "Consent", "demanded of everybody", "not demanded"
    policy_purposes, policy_any = "Purposes", "any"
    policy_until = "A consent ends within"
    policy_grace, policy_age = "Kept after a consent ended for", "Kept after the newest photo for"
    policy_runs = "Runs are kept for"
    policy_days, policy_ever = "{days} days", "no limit"
    policy_log = "Searches in the log"
    policy_logged: ClassVar[dict[str, str]] = {
        "off": "not logged",
        "summary": "how many and which decisions",
        "each": "every photo and decision",
    }
    policy_problems = "Not as the policy wants it: {count}"
    policy_kept = "Everything is as the policy wants it."
    policy_change = "Another policy is put in force in a terminal on this machine, by a profile or a file:"
    users_lead = "Everybody has to log in. A role that is changed counts at once."
    users_none = (
        "There are no users: on this machine nobody has to log in. With the first one, who has to be an admin, "
        "everybody has to."
    )
    users_provider = "People may also log in with {name}; their roles stand in oidc.toml."
    users_you = "you"
    users_locked = "locked for {minutes} more min"
    users_change = "Change"
    users_role, users_set_role = "Role", "Set the role"
    users_role_set = "{name} has the role now."
    users_new_password, users_set_password = "New password", "Set the password"
    users_new_help = "At least 12 characters; several words are good."
    users_new_set = "{name} has the new password, and has to log in again."
    users_sure, users_remove = "Really remove this user", "Remove"
    users_removed = "{name} was removed."
    users_new, users_add = "A new user", "Add"
    users_added = "{name} was added."
    settings_from = "What differs from the defaults stands first, with a dot. The file is changed with an editor."
    settings_file = "Settings file"
    settings_columns = ("Setting", "In force", "Changed")


class Chinese(English):
    """Simplified Chinese."""

    audit = "审计与设置"
    audit_lead = "谁做了什么，什么不能再保留，有哪些要求，谁可以登录。"
    audit_part = "查看内容"
    audit_log, audit_retention, audit_policy, audit_users = "日志", "保留期限", "规则", "用户"
    audit_settings = "设置"
    audit_action, audit_actor, audit_any = "操作", "操作者（完整名字）", "全部"
    audit_since, audit_until = "从", "到"
    audit_actions: ClassVar[dict[str, str]] = {
        "audit_start": "日志开始",
        "audit_accept": "按现状签署日志",
        "audit_export": "导出日志",
        "backup": "备份",
        "restore": "恢复备份",
        "repair": "修复人员库",
        "consent": "记录同意",
        "consent_withdraw": "撤回同意",
        "document": "保存阈值或调优",
        "drop_document": "删除阈值或调优",
        "enrol": "登记",
        "erase": "彻底删除",
        "erase_certificate": "删除证明",
        "remove": "删除",
        "remove_sample": "删除照片",
        "rename": "改名",
        "merge": "合并",
        "split": "拆分",
        "export": "导出个人资料",
        "hold": "设置法律保留",
        "release": "解除法律保留",
        "rights_accept": "按现状确认同意与法律保留",
        "identify": "识别",
        "verify": "比对",
        "search": "开始搜索",
        "calibration_job": "要求校准",
        "run": "批量处理文件夹",
        "run_remove": "删除批量结果",
        "watch": "查看摄像头",
        "enrol_check": "登记前检查",
        "enrol_undo": "撤销登记",
        "key_add": "创建 API 密钥",
        "key_remove": "删除 API 密钥",
        "lockout": "名称已锁定",
        "login": "登录",
        "login_refused": "登录被拒绝",
        "logout": "退出登录",
        "model_begin": "记录模型",
        "model_embed": "用另一个模型查看",
        "model_forget": "忘掉以前的模型",
        "model_job": "要求更换模型",
        "model_switch": "更换模型",
        "policy": "更改规则",
        "retention": "执行保留期限",
        "user_add": "添加用户",
        "user_password": "更改密码",
        "user_remove": "删除用户",
        "user_role": "更改角色",
        "challenge": "完成动作验证",
        "vault_open": "打开加密的人脸库",
        "vault_init": "开始加密",
        "vault_rotate": "开始更换密钥",
        "vault_drop": "已丢弃文件的旧密钥",
        "vault_done": "已全部加密",
    }
    audit_nothing = "没有符合的记录。"
    audit_newer, audit_older = "更新的", "更早的"
    audit_whole_title = "日志完整吗？"
    audit_whole_means = (
        "每条记录都带有前一条的哈希，末尾用本机的密钥签名：事后更改、删除或插入都会被发现。日志中的人只以随机编号出现。"
    )
    audit_verify, audit_verifying = "检查日志", "正在读取每条记录…"
    audit_whole = "日志完整：{entries} 条记录，末尾由密钥 {key}… 签名。"
    audit_broken = "日志被更改过，或者缺少内容："
    audit_broken_how = "请查明谁能写入人员库；“knownface audit accept”会按现状签署日志。"
    audit_empty = "日志是空的。"
    audit_export = "下载日志"
    audit_export_does = "上面筛选出的全部内容，带哈希。下载本身也会记入日志。"
    audit_as: ClassVar[dict[str, str]] = {"jsonl": "JSON Lines 格式，带签名", "csv": "CSV 格式"}
    due_list = "谁到期了？"
    due_nobody = "没有人到期，也没有过旧的批量结果。"
    due_columns = ("对象", "原因", "自", "")
    due_reasons: ClassVar[dict[str, str]] = {
        "consent_expired": "同意已到期",
        "consent_withdrawn": "同意已撤回",
        "too_old": "最新的照片太旧",
    }
    due_held, due_run = "保留：法律保留", "过旧的批量结果"
    due_means = (
        "删除会把这些人从人员库、批量结果和缓存中去掉，检查是否还有残留，并在日志中出具证明。"
        "此操作无法撤销。之前的备份不受影响。"
    )
    due_sure = "我已看过名单"
    due_erase = "永久删除：{people} 人，{runs} 个批量结果"
    due_erasing = "正在删除并检查残留…"
    due_done = "已删除：{people} 人，{runs} 个批量结果。"
    due_certificate = ("日志中的编号", "照片", "检查结果", "记录")
    due_complete, due_traces = "没有残留", "还有 {count} 处残留：见该记录"
    policy_name, policy_file = "规则", "文件"
    policy_consent, policy_required, policy_free = "同意", "对每个人都要求", "不要求"
    policy_purposes, policy_any = "用途", "任何用途"
    policy_until = "同意的期限不超过"
    policy_grace, policy_age = "同意到期后还保留", "最新照片之后保留"
    policy_runs = "批量结果保留"
    policy_days, policy_ever = "{days} 天", "不限期"
    policy_log = "日志中的搜索"
    policy_logged: ClassVar[dict[str, str]] = {
        "off": "不记录",
        "summary": "数量和决定的种类",
        "each": "每张照片和每个决定",
    }
    policy_problems = "不符合规则：{count} 项"
    policy_kept = "一切符合规则。"
    policy_change = "更换规则要在本机的终端里进行，可以用现成的规则或自己的文件："
    users_lead = "每个人都必须登录。角色更改立即生效。"
    users_none = "还没有用户：在本机上无需登录。添加第一个用户（必须是管理员）之后，每个人都必须登录。"
    users_provider = "也可以用 {name} 登录；他们的角色写在 oidc.toml 里。"
    users_you = "您自己"
    users_locked = "还锁定 {minutes} 分钟"
    users_change = "更改"
    users_role, users_set_role = "角色", "设置角色"
    users_role_set = "{name} 已有新角色。"
    users_new_password, users_set_password = "新密码", "设置密码"
    users_new_help = "至少 12 个字符；几个词连在一起就很好。"
    users_new_set = "{name} 的密码已更改，需要重新登录。"
    users_sure, users_remove = "确实要删除该用户", "删除"
    users_removed = "{name} 已删除。"
    users_new, users_add = "新用户", "添加"
    users_added = "{name} 已添加。"
    settings_from = "与默认值不同的排在前面，带圆点。设置文件请用编辑器修改。"
    settings_file = "设置文件"
    settings_columns = ("设置", "目前的值", "已更改")
