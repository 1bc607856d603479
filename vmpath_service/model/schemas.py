"""JSON Schemas of the file formats and of notifications, derived from the types that read and write them.

``python -m vmpath_service.model.schemas DIRECTORY`` writes them; duplicates and references are beyond them.
"""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import msgspec

from vmpath_service.model.notification import Notification
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Plan
from vmpath_service.model.snapshot import Snapshot

KINDS: dict[str, type[Any]] = {
    "vmpath-snapshot-1.json": Snapshot,
    "vmpath-placement-1.json": Placement,
    "vmpath-plan-1.json": Plan,
    "vmpath-notification-1.json": Notification,
}


def schema(kind: type[Any]) -> bytes:
    """The JSON Schema of a document type, as the bytes of its published file."""
    document = msgspec.json.schema(kind)
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}
    for definition in document["$defs"].values():
        form = definition.get("properties", {}).get("format")
        if form is not None and "default" in form:
            # the types fill it in when a document is made; a file that is read must say it
            definition["required"] = sorted({*definition.get("required", []), "format"})
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=1) + b"\n"


def write(directory: pathlib.Path) -> None:
    """Put all schemas into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, kind in KINDS.items():
        (directory / name).write_bytes(schema(kind))


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
