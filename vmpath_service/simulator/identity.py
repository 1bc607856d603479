"""Users, projects and tokens of the simulated Keystone."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from vmpath_service.simulator.loading import ADMIN_PROJECT, ADMIN_USER, DEMO_PROJECT, DEMO_USER
from vmpath_service.simulator.settings import Settings


@dataclass(frozen=True, slots=True)
class User:
    id: str
    name: str
    password: str
    project_id: str
    project_name: str
    roles: tuple[str, ...]
    denied: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Token:
    """Who asks, until when; times are real seconds since the epoch, as clients compare them."""

    user: User
    issued_at: float
    expires_at: float

    @property
    def is_admin(self) -> bool:
        return "admin" in self.user.roles

    def may(self, rule: str) -> bool:
        """Whether a rule that wants an administrator holds."""
        return self.is_admin and rule not in self.user.denied


class Identity:
    """Who there is, and which tokens hold."""

    def __init__(self, settings: Settings) -> None:
        self._lifetime = settings.token_lifetime_s
        self._tokens: dict[str, Token] = {}
        users = (
            User(
                ADMIN_USER,
                "admin",
                settings.admin_password,
                ADMIN_PROJECT,
                "admin",
                ("admin", "manager", "member", "reader"),
                settings.denied_rights,
            ),
            User(
                DEMO_USER,
                "demo",
                settings.demo_password,
                DEMO_PROJECT,
                "demo",
                ("member", "reader"),
            ),
        )
        self._users = {user.name: user for user in users}
        self._users_by_id = {user.id: user for user in users}

    def authenticate(self, name: str | None, user_id: str | None, password: str) -> User | None:
        """The user of that name or id, or None when it or the password is wrong."""
        user = self._users.get(name or "") or self._users_by_id.get(user_id or "")
        if user is None or not secrets.compare_digest(user.password, password):
            return None
        return user

    def issue(self, user: User) -> tuple[str, Token]:
        """A new token; those that have run out are forgotten."""
        now = time.time()
        self._tokens = {k: t for k, t in self._tokens.items() if t.expires_at > now}
        secret = "gAAAAA" + secrets.token_urlsafe(120)
        token = Token(user, now, now + self._lifetime)
        self._tokens[secret] = token
        return secret, token

    def validate(self, secret: str | None) -> Token | None:
        """The token, or None when there is none such or it has run out."""
        token = self._tokens.get(secret or "")
        if token is None or token.expires_at <= time.time():
            return None
        return token

    def revoke(self, secret: str) -> None:
        self._tokens.pop(secret, None)

    def revoke_all(self) -> None:
        """Let every token be unknown from now on, as when Keystone's keys were changed."""
        self._tokens.clear()
