"""Words for logging in and out."""

from __future__ import annotations

from typing import ClassVar


class English:
    """English."""

    login_title = "Log in"
    login_lead = "This Knownface asks everybody who they are."
    login_name, login_password = "User", "Password"
    login_do = "Log in"
    login_with = "Log in with {provider}"
    login_nobody = (
        "No user can log in yet. On the machine that serves this page, run: knownface users add NAME --role admin"
    )
    login_wrong = "The name or the password is wrong."
    login_locked = "Too many attempts with a wrong password: try again in {minutes} min."
    login_no_role = "{name} is known to {provider}, but has no role here. Ask an admin to give you one."
    login_failed = "Logging in with {provider} did not work. Try again."
    login_elsewhere = "This page was asked for under a name it does not answer to."
    logged_out = "You have logged out."
    session_ended = "Your session has ended"
    session_ended_how = "Log in again to go on. What was finished before is kept."
    log_out = "Log out"
    signed_in = "{name}, {role}"
    roles: ClassVar[dict[str, str]] = {"viewer": "viewer", "operator": "operator", "admin": "admin"}
    needs_role = "This takes the role “{role}”; yours is “{yours}”. Ask an admin for it."


class Chinese(English):
    """Simplified Chinese."""

    login_title = "登录"
    login_lead = "使用这个 Knownface 需要先登录。"
    login_name, login_password = "用户", "密码"
    login_do = "登录"
    login_with = "用 {provider} 登录"
    login_nobody = "还没有可以登录的用户。请在提供本页的机器上运行：knownface users add NAME --role admin"
    login_wrong = "用户名或密码不正确。"
    login_locked = "密码错误次数太多：请 {minutes} 分钟后再试。"
    login_no_role = "{provider} 认识 {name}，但此人在这里没有角色。请联系管理员。"
    login_failed = "无法用 {provider} 登录，请再试一次。"
    login_elsewhere = "请求本页时使用的名称不被接受。"
    logged_out = "您已退出。"
    session_ended = "会话已结束"
    session_ended_how = "请重新登录后继续。之前完成的内容都已保留。"
    log_out = "退出"
    signed_in = "{name}，{role}"
    roles: ClassVar[dict[str, str]] = {"viewer": "查看者", "operator": "操作员", "admin": "管理员"}
    needs_role = "这需要角色“{role}”；您的角色是“{yours}”。请联系管理员。"
