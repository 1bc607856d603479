"""How results and our own exceptions cross the wire: as plain data, so that they arrive as what they were.

oslo.messaging's own way tells the caller the remote traceback and changes the exception's class.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vmpath_service.model import errors
from vmpath_service.model.errors import VmpathError

_KNOWN: dict[str, type[VmpathError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, VmpathError)
}


def pack_result(result: Any) -> dict[str, Any]:
    """A result of structs, dataclasses and builtins as plain data."""
    return {"result": msgspec.to_builtins(result)}


def pack_error(error: VmpathError) -> dict[str, Any]:
    """An exception as the name and the arguments that make it anew."""
    known = next(kind for kind in type(error).__mro__ if kind.__name__ in _KNOWN)
    arguments = error.__reduce__()[1] if known is type(error) else (str(error),)
    return {"error": {"type": known.__name__, "arguments": msgspec.to_builtins(arguments)}}


def unpack(answer: dict[str, Any]) -> Any:
    """The result as plain data; raises what was raised at the other end."""
    if "error" not in answer:
        return answer["result"]
    kind = _KNOWN.get(answer["error"]["type"], VmpathError)
    raise kind(*answer["error"]["arguments"])
