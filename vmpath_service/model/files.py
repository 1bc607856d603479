"""Reading and writing the JSON files of vmpath.

msgspec decodes in C; what its types cannot say (duplicate keys, duplicate identities, references) is checked
afterwards. Every error names the file, the place in it as a JSON pointer, and what was expected.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import re
import zlib
from typing import Any, TypeVar

import msgspec

from vmpath_service.model import semantics
from vmpath_service.model.errors import InvalidFile
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Plan
from vmpath_service.model.snapshot import Snapshot

Document = TypeVar("Document", Snapshot, Placement, Plan)

_AT = re.compile(r"^(?P<problem>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_SPACED_KEY = re.compile(rb'"\s+:')
_MISSING = re.compile(r"Object missing required field `(.+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`")


def load_snapshot(path: str) -> Snapshot:
    """Read a snapshot; raises InvalidFile."""
    return decode_snapshot(read_bytes(path), path)


def load_placement(path: str) -> Placement:
    """Read a placement; raises InvalidFile."""
    return _decode(read_bytes(path), path, Placement)


def load_plan(path: str) -> Plan:
    """Read a plan and check that its steps refer to each other soundly; raises InvalidFile."""
    plan = _decode(read_bytes(path), path, Plan)
    for problem in semantics.plan_problems(plan):
        raise InvalidFile(path, problem.pointer, problem.text)
    return plan


def decode_snapshot(data: bytes, name: str) -> Snapshot:
    """Decode the uncompressed bytes of a snapshot; ``name`` stands for the file in errors."""
    snapshot = _decode(data, name, Snapshot)
    for problem in semantics.snapshot_problems(snapshot):
        raise InvalidFile(name, problem.pointer, problem.text)
    return snapshot


def encode(document: Snapshot | Placement | Plan) -> bytes:
    """The bytes of a file: indented, keys in a fixed order, a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def identity(data: bytes) -> str:
    """How a plan names the snapshot that it was made from: the hash of its uncompressed bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def read_bytes(path: str) -> bytes:
    """The uncompressed bytes of a file, ``.gz`` by name; raises InvalidFile."""
    try:
        if path.endswith(".gz"):
            with gzip.open(path) as stream:
                return stream.read()
        with open(path, "rb") as plain:
            return plain.read()
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidFile(path, "", f"cannot be read: {reason}") from error


def save(document: Snapshot | Placement | Plan, path: str) -> None:
    """Write a file whole or not at all (an interrupt leaves the old one); raises InvalidFile."""
    write_bytes(encode(document), path)


def write_bytes(data: bytes, path: str) -> None:
    """Put bytes at ``path`` in one step, compressed if its name ends in ``.gz``; raises InvalidFile."""
    if path.endswith(".gz"):
        data = gzip.compress(data, 6, mtime=0)
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as device:  # /dev/stdout, a pipe: nothing to replace
                device.write(data)
            return
        # its name is known before it is there: whenever a signal ends this, it can be taken away
        temporary = os.path.join(os.path.dirname(path), f".vmpath-{os.urandom(8).hex()}")
        try:
            with open(temporary, "xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise InvalidFile(path, "", f"cannot be written: {error.strerror}") from error


def _decode(data: bytes, name: str, kind: type[Document]) -> Document:
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidFile(name, "", f"is not valid JSON: {error}") from error
    if not isinstance(raw, dict):
        raise InvalidFile(name, "", "expected a JSON object")
    wanted = next(field.default for field in msgspec.structs.fields(kind) if field.name == "format")
    if raw.get("format") != wanted:
        found = json.dumps(raw.get("format")) if "format" in raw else "nothing"
        raise InvalidFile(name, "/format", f"found {found}, expected {json.dumps(wanted)}")
    _refuse_duplicate_keys(data, raw, name)
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        pointer, problem = _locate(error, raw, kind)
        raise InvalidFile(name, pointer, problem) from error


def _refuse_duplicate_keys(data: bytes, raw: dict[str, Any], name: str) -> None:
    """JSON parsers keep the last of two equal keys in silence; an operator's typo would vanish.

    Without escapes every ``":`` in the text ends a key, so counting them against the keys that were decoded
    proves that none was swallowed, in C. Only where the counts differ the slow parser looks for the culprit.
    """
    if b"\\" not in data and not _SPACED_KEY.search(data) and data.count(b'":') == _count_keys(raw):
        return

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) < len(items):
            seen: set[str] = set()
            for key, _ in items:
                if key in seen:
                    raise InvalidFile(name, f"/.../{key}", "this key stands twice in one object")
                seen.add(key)
        return result

    json.loads(data, object_pairs_hook=pairs)


def _count_keys(raw: dict[str, Any]) -> int:
    """Number of keys in a decoded document, without recursion."""
    count = 0
    pending: list[Any] = [raw]
    while pending:
        item = pending.pop()
        if type(item) is dict:
            count += len(item)
            pending.extend([value for value in item.values() if type(value) is dict or type(value) is list])
        else:
            pending.extend([value for value in item if type(value) is dict or type(value) is list])
    return count


def _locate(error: msgspec.ValidationError, raw: Any, kind: type[Any]) -> tuple[str, str]:
    """JSON pointer and problem of a validation error; msgspec writes ``[...]`` for the key of a mapping."""
    problem, steps = _parts(error)
    path: list[str | int] = []
    node = raw
    for position, step in enumerate(steps):
        if step == "...":
            step = _guilty_key(raw, path, node, kind, steps[: position + 1])
        path.append(step)
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            break
    if match := _UNKNOWN.match(problem):
        path.append(match[1])
        problem = "unknown key"
    elif match := _MISSING.match(problem):
        problem = f"the key {match[1]!r} is missing"
    else:
        shown = json.dumps(node, ensure_ascii=False)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        problem = problem.replace("`", "")
        problem = f"found {shown}: {problem[0].lower()}{problem[1:]}"
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path), problem


def _parts(error: msgspec.ValidationError) -> tuple[str, list[str | int]]:
    match = _AT.match(str(error))
    assert match is not None  # the pattern matches every text
    steps: list[str | int] = []
    for name, index in _STEP.findall(match["path"] or ""):
        steps.append(name if name else index if index == "..." else int(index))
    return match["problem"], steps


def _guilty_key(raw: Any, path: list[str | int], node: Any, kind: type[Any], failed: list[str | int]) -> str:
    """Which key of the mapping ``node`` at ``path`` fails: each is tried alone in a copy of the way to it."""
    for key in node:
        try:
            msgspec.convert(_replaced(raw, path, {key: node[key]}), kind)
        except msgspec.ValidationError as error:
            if _parts(error)[1][: len(failed)] == failed:
                return str(key)
    return "..."


def _replaced(raw: Any, path: list[str | int], value: Any) -> Any:
    """``raw`` with the node at ``path`` replaced, sharing all that is not on the way."""
    if not path:
        return value
    copy: Any = dict(raw) if isinstance(raw, dict) else list(raw)
    copy[path[0]] = _replaced(raw[path[0]], path[1:], value)
    return copy
