"""The users of the page: who may log in, and as what."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.access import Role
from app.access.users import User
from app.services import Services
from app.staff import Staff
from app.web import guard, markup, state
from app.web.texts import words
from pipeline.errors import KnownfaceError

_SAID = "users_said"
_ROLES = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)


def show(service: Services) -> None:
    """Lists them; adds, changes and removes."""
    watching = guard.guard()
    staff = Staff(service, watching.users)
    if said := st.session_state.pop(_SAID, ""):
        st.html(markup.note("good", said))
    everybody = staff.all()
    st.html(f'<p class="kf">{markup.text(words.users_lead if everybody else words.users_none)}</p>')
    if watching.provider is not None:
        st.html(markup.note("info", markup.fill(words.users_provider, name=watching.provider.name)))
    for user in everybody:
        _user(staff, user, service.actor.name)
    _add(staff)


def _user(staff: Staff, user: User, me: str) -> None:
    with st.container(border=True):
        locked = (
            f" · {markup.fill(words.users_locked, minutes=round(user.locked_s / 60) or 1)}" if user.locked_s else ""
        )
        you = f" · {markup.text(words.users_you)}" if user.name == me else ""
        since = markup.fill(words.since, date=f"{user.created:%Y-%m-%d}")
        role = markup.text(words.roles[user.role.label])
        st.html(
            f'<div class="kf kf-row"><b>{markup.name(user.name)}</b><small>{role} · {since}{you}{locked}</small></div>'
        )
        with st.expander(words.users_change):
            _change(staff, user)


def _change(staff: Staff, user: User) -> None:
    key = user.name
    with st.form(f"role_{key}", border=False):
        role = st.selectbox(
            words.users_role, _ROLES, index=_ROLES.index(user.role), format_func=_named, key=f"role_of_{key}"
        )
        if st.form_submit_button(words.users_set_role):
            _done(lambda: staff.set_role(user.name, role), words.users_role_set, user.name)
    with st.form(f"password_{key}", border=False, clear_on_submit=True):
        password = st.text_input(
            words.users_new_password, type="password", key=f"password_of_{key}", help=words.users_new_help
        )
        if st.form_submit_button(words.users_set_password):
            _done(lambda: staff.set_password(user.name, password), words.users_new_set, user.name)
    with st.form(f"remove_{key}", border=False):
        sure = st.checkbox(words.users_sure, key=f"sure_{key}")
        if st.form_submit_button(words.users_remove) and sure:
            _done(lambda: staff.remove(user.name), words.users_removed, user.name)


def _add(staff: Staff) -> None:
    st.subheader(words.users_new, anchor=False)
    with st.form("users_add", clear_on_submit=False):
        name = st.text_input(words.login_name, key="users_name", max_chars=64)
        role = st.selectbox(words.users_role, _ROLES, index=0, format_func=_named, key="users_role")
        password = st.text_input(words.login_password, type="password", key="users_password", help=words.users_new_help)
        if st.form_submit_button(words.users_add):
            _done(lambda: staff.add(name, role, password), words.users_added, name)


def _named(role: Role) -> str:
    return words.roles[role.label]


def _done(act: Callable[[], object], said: str, name: str) -> None:
    """Does it, and says so on the page as it is then."""
    try:
        act()
    except KnownfaceError as error:
        st.html(markup.note("bad", markup.error(error)))
        return
    st.session_state[_SAID] = markup.fill(said, name=name.strip())
    state.again()
