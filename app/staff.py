"""The users of the web page, changed by an admin from the page itself; what was done goes into the audit log."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.access import Role
from app.access.users import User, Users
from pipeline.errors import LastAdminError

if TYPE_CHECKING:
    from app.services import Services

_CHANGING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Staff:
    """What an admin does with users. Every method raises NotAllowedError for anybody else.

    Attributes:
        services: Acting for whoever asks.
        users: The users.
    """

    services: Services
    users: Users

    def all(self) -> list[User]:
        """Everybody, by name."""
        self.services.require(Role.ADMIN)
        return self.users.all()

    def add(self, name: str, role: Role, password: str) -> str:
        """Adds a user; returns the name as it is kept. Errors: `Users.add`.

        Raises:
            LastAdminError: It is the first one, and no admin: nobody could go on from there.
        """
        self.services.require(Role.ADMIN)
        with _CHANGING:
            if role < Role.ADMIN and not self.users.any():
                raise LastAdminError(
                    "the first user has to be an admin: from then on everybody has to log in, and somebody has to be "
                    "able to add the others"
                )
            kept = self.users.add(name, role, password)
        self._record("user_add", kept, role)
        return kept

    def set_role(self, name: str, role: Role) -> None:
        """Gives a user another role, at once. Errors: `Users.set_role`, LastAdminError."""
        self.services.require(Role.ADMIN)
        with _CHANGING:
            if role < Role.ADMIN:
                self._keep_an_admin(name)
            self.users.set_role(name, role)
        self._record("user_role", name, role)

    def set_password(self, name: str, password: str) -> None:
        """Gives a user another password, which unlocks the name and ends its sessions. Errors: `Users.set_password`."""
        self.services.require(Role.ADMIN)
        self.users.set_password(name, password)
        self._record("user_password", name)

    def remove(self, name: str) -> None:
        """Removes a user, whose sessions end with it. Errors: `Users.remove`, LastAdminError."""
        self.services.require(Role.ADMIN)
        with _CHANGING:
            self._keep_an_admin(name)
            self.users.remove(name)
        self._record("user_remove", name)

    def _keep_an_admin(self, name: str) -> None:
        others = [user for user in self.users.all() if user.name != name and user.role is Role.ADMIN]
        if not others:
            raise LastAdminError(
                f"{name} is the last admin among the users: make somebody else an admin first, or use the command "
                "line, `knownface users`"
            )

    def _record(self, action: str, name: str, role: Role | None = None) -> None:
        self.services.gallery.record(action, f"user:{name}", {} if role is None else {"role": role.label})
