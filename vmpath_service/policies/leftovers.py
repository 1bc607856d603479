"""Instances that cannot be migrated, by class, and what the operator wants done about each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.errors import Conflict
from vmpath_service.model.options import Option
from vmpath_service.model.snapshot import Instance
from vmpath_service.policies import settings as read
from vmpath_service.policies.settings import Settings

_SHOWN = 3

# The first that holds is the class; a reason is words of the reading of the cloud or of a constraint.
_CLASSES: dict[str, tuple[str, Callable[[Instance, str], bool]]] = {
    "locked": ("locked", lambda instance, reason: instance.locked or "it is locked" in reason),
    "error": ("in ERROR", lambda instance, reason: instance.status == "ERROR"),
    "stopped": ("stopped", lambda instance, reason: instance.status in ("SHUTOFF", "SUSPENDED")),
    "affinity": ("kept together by strict affinity", lambda instance, reason: "strict affinity" in reason),
    "devices": ("bound to devices of the host", lambda instance, reason: "of its host" in reason or "TPM" in reason),
    "others": ("not movable for other reasons", lambda instance, reason: True),
}

OPTIONS: tuple[Option, ...] = tuple(
    Option(
        f"on_{name}",
        "string",
        f"What if an instance is {words}: leave it there, leave it and count the drain as fallen short (fail), or do "
        "nothing at all (refuse).",
        "leave",
        choices=("leave", "fail", "refuse"),
    )
    for name, (words, _) in _CLASSES.items()
)


def kind_of(instance: Instance, reason: str) -> str:
    """The class of an instance that stays for this reason."""
    return next(name for name, (_, holds) in _CLASSES.items() if holds(instance, reason))


def fallen_short(cloud: CompiledCloud, settings: Settings, staying: Sequence[tuple[int, str]]) -> str | None:
    """What is short because of those who stay (instance, reason); raises Conflict where the operator refuses."""
    found: dict[str, list[str]] = {}
    for guest, reason in staying:
        instance = cloud.snapshot.instances[guest]
        found.setdefault(kind_of(instance, reason), []).append(instance.label())
    said = []
    for name, labels in found.items():
        shown = ", ".join(labels[:_SHOWN]) + (", ..." if len(labels) > _SHOWN else "")
        sentence = f"{len(labels)} instances are {_CLASSES[name][0]} ({shown})"
        match read.text(settings, f"on_{name}"):
            case "refuse":
                raise Conflict(f"nothing is moved: {sentence}, and on_{name} = refuse")
            case "fail":
                said.append(f"{sentence} and stay")
    return "; ".join(said) or None
