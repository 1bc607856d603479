"""Reading what a client sends: sizes, types and names are checked before anything else looks at it."""

from __future__ import annotations

import enum
import re
from typing import Any, TypeVar

import falcon
import msgspec

from vmpath_service.model.errors import InvalidInput

Body = TypeVar("Body")
State = TypeVar("State", bound=enum.StrEnum)

LARGEST_BODY = 1 << 20
LARGEST_PAGE = 1000
_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`")
_MISSING = re.compile(r"Object missing required field `(.+)`")


def read(request: falcon.Request, kind: type[Body]) -> Body:
    """The body as a ``kind``; raises InvalidInput or what falcon raises for 413 and 415."""
    if (request.content_length or 0) > LARGEST_BODY:
        raise falcon.HTTPContentTooLarge(description=f"the body is larger than {LARGEST_BODY} bytes")
    data = request.bounded_stream.read(LARGEST_BODY + 1)
    if len(data) > LARGEST_BODY:
        raise falcon.HTTPContentTooLarge(description=f"the body is larger than {LARGEST_BODY} bytes")
    if data and (request.content_type or "").partition(";")[0].strip().lower() != falcon.MEDIA_JSON:
        raise falcon.HTTPUnsupportedMediaType(description="the body has to be JSON (Content-Type: application/json)")
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"request body: {_in_words(error, kind)}") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidInput(f"request body: is not valid JSON: {error}") from error


def _in_words(error: msgspec.ValidationError, kind: type[Any]) -> str:
    text, _, place = str(error).partition(" - at ")
    if match := _UNKNOWN.match(text):
        known = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
        return f"unknown key {match[1]!r}; known keys: {known}"
    if match := _MISSING.match(text):
        return f"the key {match[1]!r} is missing"
    pointer = place.strip("`").removeprefix("$").replace("[", "/").replace("]", "").replace(".", "/")
    said = text.replace("`", "")
    return f"at {pointer}: {said[0].lower()}{said[1:]}" if pointer else f"{said[0].lower()}{said[1:]}"


def no_body(request: falcon.Request) -> None:
    """Refuse a body where none is expected; raises InvalidInput."""
    if request.content_length and request.bounded_stream.read(1):
        raise InvalidInput("this request takes no body")


def number(request: falcon.Request, name: str, *, default: int, minimum: int, maximum: int) -> int:
    """A whole number in the query; raises InvalidInput."""
    text = request.get_param(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and minimum <= int(text) <= maximum):
        raise InvalidInput(f"query parameter {name}: found {text!r}, expected a number from {minimum} to {maximum}")
    return int(text)


def only(request: falcon.Request, *names: str) -> None:
    """Refuse query parameters that nothing reads; raises InvalidInput."""
    for name in request.params:
        if name not in names:
            known = f"known ones: {', '.join(names)}" if names else "there are none here"
            raise InvalidInput(f"unknown query parameter {name!r}; {known}")


def flag(request: falcon.Request, name: str) -> bool:
    """Whether a query parameter says true; raises InvalidInput."""
    text = request.get_param(name) or "false"
    if text not in ("true", "false"):
        raise InvalidInput(f"query parameter {name}: found {text!r}, expected true or false")
    return text == "true"


def states(request: falcon.Request, kind: type[State]) -> tuple[State, ...]:
    """The states that the query asks for; raises InvalidInput."""
    found = []
    for text in request.get_param_as_list("state") or ():
        try:
            found.append(kind(text))
        except ValueError as error:
            known = ", ".join(kind)
            raise InvalidInput(f"query parameter state: found {text!r}, expected one of {known}") from error
    return tuple(found)
