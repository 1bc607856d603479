"""How the simulated cloud says no: an HTTP status and Nova's, Placement's or Keystone's words."""

from __future__ import annotations


class Refused(Exception):
    """A request that is answered with an error; each API gives it its own shape."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


class UnknownRequest(Refused):
    """A request that the simulation has no answer to, though a real cloud may have one."""


def not_in_state(server_id: str, attribute: str, state: str | None, action: str) -> Refused:
    """Nova's conflict for a server whose `attribute` forbids the action."""
    if state is None:
        return Refused(409, f"Instance {server_id} is in an invalid state for '{action}'")
    return Refused(409, f"Cannot '{action}' instance {server_id} while it is in {attribute} {state}")
