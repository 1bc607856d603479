"""Who calls, and how that is found out: one class for each ``[api] auth_strategy``."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import falcon

from vmpath_service.model.errors import InvalidFile, InvalidInput

ADMIN = frozenset(("admin",))
READER = frozenset(("reader",))

_OURS = frozenset(("127.0.0.1", "::1", "localhost"))
# How long a password that was right is not computed again: bcrypt is slow on purpose.
_REMEMBERED_S = 300.0
_MOST_REMEMBERED = 1000
_BCRYPT = ("$2y$", "$2a$", "$2b$")

Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """``operator``: whether the roles reader, member and manager count for all of vmpath, and are not only those
    of somebody in a project of his own."""

    name: str
    roles: frozenset[str]
    operator: bool = True
    project: str | None = None


class Authentication(Protocol):
    """Finds out who calls. ``challenge``: what a client that has not said it is told (WWW-Authenticate)."""

    challenge: str | None
    names_callers: bool

    def identify(self, request: falcon.Request) -> Caller | None:
        """The caller; None if it is nobody known. Raises falcon's errors for callers that are refused."""

    def around(self, application: Application) -> Application:
        """The application, behind what has to see its requests first."""


class NoAuthentication:
    """Whoever reaches the loopback address may do everything."""

    challenge: str | None = None
    names_callers = False

    def identify(self, request: falcon.Request) -> Caller:
        # no web page may reach us by a browser on this machine: a browser names the page in Origin, or, where a
        # foreign name was made to point here, that name in Host
        if request.get_header("Origin") is not None or str(request.host).strip("[]").lower() not in _OURS:
            raise falcon.HTTPForbidden(
                description="without authentication vmpath answers programs on its own machine only"
            )
        return Caller("a program on this machine", ADMIN)

    def around(self, application: Application) -> Application:
        return application


class BasicAuthentication:
    """Users of a file as Apache's ``htpasswd -B`` writes it.

    All may do everything, but for those in ``readers``, who may look.
    """

    challenge: str | None = 'Basic realm="vmpath", charset="UTF-8"'
    names_callers = True

    def __init__(self, path: Path, readers: Collection[str] = ()) -> None:
        """Raises InvalidFile where the file cannot be used, InvalidInput for a reader that it does not have."""
        self._path = path
        self._readers = frozenset(readers)
        self._lock = threading.Lock()
        self._read_at: tuple[int, int] | None = None
        self._users: Mapping[str, bytes] = {}
        self._key = secrets.token_bytes(32)
        self._remembered: dict[bytes, float] = {}
        if missing := sorted(self._readers - self._known().keys()):
            raise InvalidInput(f"[api] http_basic_readers: there is no user {missing[0]!r} in {path}")

    def identify(self, request: falcon.Request) -> Caller | None:
        kind, _, token = (request.auth or "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(token.strip(), validate=True).partition(b":")
            user = name.decode("utf-8")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None
        if not self._right(user, password):
            return None
        return Caller(user, READER if user in self._readers else ADMIN)

    def around(self, application: Application) -> Application:
        return application

    def _right(self, user: str, password: bytes) -> bool:
        import bcrypt

        users = self._known()
        digest = users.get(user)
        # what is checked for a user that there is not takes as long as for one that there is
        against = next(iter(users.values()), None) if digest is None else digest
        if against is None or len(password) > 72:  # bcrypt reads no more
            return False
        proof = hmac.new(self._key, user.encode() + b"\0" + against + b"\0" + password, hashlib.sha256).digest()
        now = time.monotonic()
        with self._lock:
            if digest is not None and self._remembered.get(proof, 0.0) > now:
                return True
        if not bcrypt.checkpw(password, against) or digest is None:
            return False
        with self._lock:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[proof] = now + _REMEMBERED_S
        return True

    def _known(self) -> Mapping[str, bytes]:
        """The users; read again when the file has changed, and kept as they were while it cannot be read."""
        try:
            stat = os.stat(self._path)
            stamp = (stat.st_mtime_ns, stat.st_size)
            with self._lock:
                if stamp != self._read_at:
                    self._users, self._read_at = _users(self._path), stamp
        except OSError as error:
            if self._read_at is None:
                raise InvalidFile(str(self._path), "", f"cannot be read: {error.strerror}") from error
        except InvalidFile:
            if self._read_at is None:
                raise
        return self._users


class KeystoneAuthentication:
    """Tokens of Keystone, judged by keystonemiddleware.

    The roles reader, member and manager count in tokens for the whole system and in those of ``projects`` (ids).
    """

    challenge: str | None = None
    """keystonemiddleware adds its own to every 401."""
    names_callers = True

    def __init__(self, oslo: Any, projects: Collection[str] = ()) -> None:
        """``oslo``: oslo.config's options, with [keystone_authtoken]."""
        self._oslo = oslo
        self._projects = frozenset(projects)

    def identify(self, request: falcon.Request) -> Caller | None:
        said = request.env
        if said.get("HTTP_X_IDENTITY_STATUS") != "Confirmed":
            return None
        project = said.get("HTTP_X_PROJECT_ID")
        return Caller(
            name=said.get("HTTP_X_USER_NAME") or said.get("HTTP_X_USER_ID") or "an unnamed user",
            roles=frozenset(role.strip().lower() for role in said.get("HTTP_X_ROLES", "").split(",") if role.strip()),
            operator=said.get("HTTP_OPENSTACK_SYSTEM_SCOPE") == "all" or project in self._projects,
            project=project,
        )

    def around(self, application: Application) -> Application:
        from keystonemiddleware import auth_token

        # it lets everybody in and says who it is: what they may do, and the answer if not, is ours
        conf = {"delay_auth_decision": True, "oslo_config_config": self._oslo}
        return auth_token.AuthProtocol(application, conf)  # type: ignore[no-any-return]


def _users(path: Path) -> dict[str, bytes]:
    """Names and digests; raises OSError and InvalidFile."""
    users: dict[str, bytes] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidFile(str(path), "", "is not a text in UTF-8") from error
    for number, line in enumerate(lines, 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        name, separator, digest = entry.partition(":")
        if not separator or not name or not digest.startswith(_BCRYPT):
            raise InvalidFile(
                str(path), f"line {number}", "expected NAME:DIGEST with a bcrypt digest, as 'htpasswd -B' writes it"
            )
        users[name] = digest.encode()
    return users
