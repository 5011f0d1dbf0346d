"""Who may do what: roles, local users with passwords, sessions, and a provider of identities."""

from app.access.roles import LOCAL, Actor, Role

__all__ = ["LOCAL", "Actor", "Role"]
