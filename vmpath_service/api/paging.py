"""Long lists in pages: ``limit`` and ``marker`` in the query, ``links`` to the next page in the answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlencode

import falcon

from vmpath_service.api import bodies, views
from vmpath_service.api.bodies import LARGEST_PAGE, number
from vmpath_service.api.waiting import LONGEST, Patience
from vmpath_service.model.errors import NotFound
from vmpath_service.model.records import Event

Item = TypeVar("Item")


def limit(request: falcon.Request) -> int:
    """How many items the client wants; raises InvalidInput."""
    return number(request, "limit", default=LARGEST_PAGE, minimum=1, maximum=LARGEST_PAGE)


def cut(request: falcon.Request, items: Sequence[Item], key: Callable[[Item], str]) -> tuple[Sequence[Item], bool]:
    """The page of ``items`` that the query asks for, and whether there are more.

    The items are in the order of the list; ``key`` is what a marker names. Raises InvalidInput, and NotFound
    for a marker that is not in the list.
    """
    start = 0
    marker = request.get_param("marker")
    if marker is not None:
        found = next((position for position, item in enumerate(items) if key(item) == marker), None)
        if found is None:
            raise NotFound(f"query parameter marker: there is no {marker!r} in this list")
        start = found + 1
    end = start + limit(request)
    return items[start:end], end < len(items)


def links(request: falcon.Request, last: str | None) -> list[dict[str, str]]:
    """Links of a page: itself, and the next one where ``last`` names where this one ends."""
    made = [{"rel": "self", "href": request.uri}]
    if last is not None:
        query: list[tuple[str, Any]] = []
        for name, value in request.params.items():
            if name != "marker":
                query += [(name, each) for each in (value if isinstance(value, list) else [value])]
        query.append(("marker", last))
        made.append({"rel": "next", "href": f"{request.prefix}{request.path}?{urlencode(query)}"})
    return made


class EventSource(Protocol):
    """The database, as far as its events go."""

    def events(self, subject: str | None = None, *, after: int = 0, limit: int = 1000) -> Sequence[Event]: ...


def events(
    request: falcon.Request, response: falcon.Response, source: EventSource, patience: Patience, subject: str
) -> None:
    """Answer with what happened to the subject after event number ``after``; with ``wait``, wait for it."""
    bodies.only(request, "after", "limit", "wait")
    after = number(request, "after", default=0, minimum=0, maximum=2**53)
    seconds = number(request, "wait", default=0, minimum=0, maximum=LONGEST)
    most = limit(request)
    found = patience.until(lambda: source.events(subject, after=after, limit=most), seconds)
    response.media = {"events": [views.event(each) for each in found], "links": links(request, None)}


class Kept(Generic[Item]):
    """A list that takes a reading of the whole cloud: made anew for a first page, kept for those that follow.

    So pages fit together, and a thousand hosts more do not mean another reading.
    """

    def __init__(self, make: Callable[[], Sequence[Item]], seconds: float = 60.0) -> None:
        self._make = make
        self._seconds = seconds
        self._lock = threading.Lock()
        self._made_at = 0.0
        self._items: Sequence[Item] | None = None

    def items(self, request: falcon.Request) -> Sequence[Item]:
        """The whole list; raises what making it raises."""
        if request.get_param("marker") is not None:
            with self._lock:
                if self._items is not None and time.monotonic() - self._made_at < self._seconds:
                    return self._items
        items = self._make()
        with self._lock:
            self._made_at, self._items = time.monotonic(), items
        return items
