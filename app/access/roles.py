"""Roles and actors. A role includes every weaker one."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from pipeline.errors import NotAllowedError

Label = Literal["viewer", "operator", "admin"]


class Role(IntEnum):
    """What somebody may do; compare with `<` and `>=`.

    A viewer verifies, identifies and looks. An operator also enrols, names, merges, splits, renames, exports, starts
    runs and calibrates. An admin also erases, and changes models, users, policy and backups.
    """

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def label(self) -> Label:
        """The word for it, as commands and settings write it."""
        labels: dict[Role, Label] = {Role.VIEWER: "viewer", Role.OPERATOR: "operator", Role.ADMIN: "admin"}
        return labels[self]

    @classmethod
    def named(cls, label: str) -> Role:
        """The role with this label.

        Raises:
            ValueError: There is none.
        """
        for role in cls:
            if role.label == label:
                return role
        raise ValueError(f"{label!r} is no role: choose viewer, operator or admin")


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who uses Knownface.

    Attributes:
        name: As it stands in the audit: a user's name, an e-mail address, or the account on this machine.
        role: What they may do.
    """

    name: str
    role: Role

    def require(self, role: Role) -> None:
        """Lets pass whoever has this role or a stronger one.

        Raises:
            NotAllowedError: The actor has not.
        """
        if self.role < role:
            raise NotAllowedError(
                f"{self.name} is {_article(self.role)}, and this takes {_article(role)}: ask an admin for it"
            )


def _article(role: Role) -> str:
    return f"a{'' if role is Role.VIEWER else 'n'} {role.label}"


def _account() -> str:
    """The account this process runs as: by its number where the system tells, not by what the environment claims."""
    if os.name == "posix":
        import pwd

        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # a container without such an entry
            return f"uid-{os.getuid()}"
    return getpass.getuser()


#: Whoever sits at this machine: the files are theirs, so there is nothing to refuse.
LOCAL = Actor(_account(), Role.ADMIN)
