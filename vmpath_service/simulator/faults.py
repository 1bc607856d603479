"""Faults on request at the HTTP border: errors, lost connections, lost answers."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Literal, get_args

from vmpath_service.model.errors import InvalidFile

Kind = Literal["drop-before", "drop-after", "slow", "429", "503", "500", "502", "504"]
KINDS = get_args(Kind)


@dataclass(slots=True)
class HttpFault:
    """The next `count` requests whose method and path match meet `kind`.

    drop-before: the connection is closed before anything is done; drop-after: it is done, and the
    answer is lost; slow: it is done, and answered delay_s real seconds later; a number: that status is
    answered, nothing is done. retry_after_s goes with 429 and 503. method `*` is any; path is a
    regular expression searched in the path.
    """

    kind: Kind
    method: str
    path: str
    count: int = 1
    retry_after_s: int | None = None
    delay_s: float = 1.0

    def matches(self, method: str, path: str) -> bool:
        return self.count > 0 and self.method in ("*", method) and re.search(self.path, path) is not None


class HttpFaults:
    """The faults that still wait for their requests."""

    def __init__(self) -> None:
        self._waiting: list[HttpFault] = []
        self._lock = threading.Lock()

    def add(self, fault: HttpFault) -> None:
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, method: str, path: str) -> HttpFault | None:
        """The fault that this request meets, if any; it is used up once."""
        with self._lock:
            for fault in self._waiting:
                if fault.matches(method, path):
                    fault.count -= 1
                    if fault.count == 0:
                        self._waiting.remove(fault)
                    return fault
        return None


def parse_fault(text: str) -> HttpFault:
    """`KIND:METHOD:PATH-REGEX[:COUNT]`, e.g. `drop-after:POST:/action:2`; raises ValueError."""
    parts = text.split(":")
    if len(parts) < 3 or parts[0] not in KINDS:
        raise ValueError(f"{text!r} is not KIND:METHOD:PATH-REGEX[:COUNT] with KIND one of {', '.join(KINDS)}")
    count = 1
    if len(parts) > 3 and parts[-1].isdigit():
        count = int(parts.pop())
    path = ":".join(parts[2:])
    if count < 1:
        raise ValueError(f"{text!r}: the count must be at least 1")
    try:
        re.compile(path)
    except re.error as error:
        raise ValueError(f"{text!r}: {path!r} is no regular expression: {error}") from None
    return HttpFault(parts[0], parts[1].upper(), path, count)  # type: ignore[arg-type]


def read_faults(path: str) -> list[HttpFault]:
    """The faults of a file, one on each line; empty lines and those from # on do not count.

    Raises InvalidFile for a file that cannot be read, or a line that is no fault.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile(path, "", f"cannot be read: {error}") from error
    faults = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            faults.append(parse_fault(text))
        except ValueError as error:
            raise InvalidFile(path, f"line {number}", str(error)) from error
    return faults
