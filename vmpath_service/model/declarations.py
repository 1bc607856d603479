"""What no API of the cloud shows and the operator declares, per aggregate: chiefly nova.conf of the computes.

Whatever is not declared is unknown, and is read with caution: where Nova might switch a guest to post-copy, it counts
as if it did. A host's declaration stands in its ``extra`` under ``declared``: it goes wherever a snapshot goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import msgspec

from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import Option, OptionValue
from vmpath_service.model.snapshot import Host

EVERY_HOST = "*"
"""In place of the name of an aggregate: holds for all hosts, unless an aggregate of theirs says otherwise."""
_EXTRA = "declared"

Answer = Literal["yes", "no", "unknown"]
TimeoutAction = Literal["abort", "force_complete", "unknown"]
StorageKind = Literal["shared", "local", "volume", "unknown"]
PostCopy = Literal["allowed", "forbidden"]


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is declared of one aggregate, or follows for one host.

    Of nova.conf of the host that a migration leaves: ``post_copy_permitted`` (live_migration_permit_post_copy),
    ``timeout_action`` (live_migration_timeout_action), ``completion_timeout_s`` (live_migration_completion_timeout,
    seconds for every GiB of memory and disk; 0: Nova never acts; None: unknown), ``max_concurrent``
    (max_concurrent_live_migrations; 0: any number; None: unknown, and Nova's default is 1).

    ``storage``: where the disks are that are no volumes. ``cell``: a migration never leaves it; None: unknown.
    ``link``: the shared link of the network that all traffic between these hosts and others goes over.
    ``power_off_allowed``: whether vmpath may power these hosts off; unknown counts as no.
    """

    post_copy_permitted: Answer = "unknown"
    timeout_action: TimeoutAction = "unknown"
    completion_timeout_s: float | None = None
    max_concurrent: int | None = None
    storage: StorageKind = "unknown"
    cell: str | None = None
    link: str | None = None
    power_off_allowed: Answer = "unknown"

    def known(self) -> dict[str, Any]:
        """What is not unknown, by field."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "unknown")}

    def may_time_out_into_post_copy(self) -> bool:
        """Whether Nova, of itself, may switch a migration that leaves the host to post-copy."""
        return self.post_copy_permitted != "no" and self.timeout_action != "abort" and self.completion_timeout_s != 0.0

    def times_out_into_post_copy(self) -> bool:
        """Whether that is known rather than feared."""
        return self.post_copy_permitted == "yes" and self.timeout_action == "force_complete"

    def forcing(self) -> Literal["post-copy", "pause", "unknown"]:
        """What Nova's force-complete does to a guest that leaves the host."""
        if self.post_copy_permitted == "unknown":
            return "unknown"
        return "post-copy" if self.post_copy_permitted == "yes" else "pause"


UNDECLARED = Declaration()

_UNKNOWN = ("unknown",)
OPTIONS: tuple[Option, ...] = (
    Option(
        "post_copy_permitted",
        "string",
        "Whether nova.conf of these hosts has live_migration_permit_post_copy = true. An instance that forbids"
        " post-copy is never force-completed, and leaves no host of which this is not known, unless timeout_action"
        " or completion_timeout rule out that Nova switches it.",
        "unknown",
        ("yes", "no", *_UNKNOWN),
    ),
    Option(
        "timeout_action",
        "string",
        "live_migration_timeout_action in nova.conf of these hosts.",
        "unknown",
        ("abort", "force_complete", *_UNKNOWN),
    ),
    Option(
        "completion_timeout",
        "number",
        "live_migration_completion_timeout in nova.conf of these hosts: seconds for every GiB of memory and disk"
        " after which Nova takes its timeout_action; 0: never. Not set: unknown.",
        None,
        minimum=0,
    ),
    Option(
        "max_concurrent_live_migrations",
        "integer",
        "How many live migrations Nova lets leave a host at a time, the others wait in a queue; 0: any number. vmpath"
        " asks for no more at a time than this and [executor] per_source allow. Not set: unknown (Nova's default is"
        " 1), and per_source counts alone.",
        None,
        minimum=0,
    ),
    Option(
        "storage",
        "string",
        "Where those disks of instances are that are no volumes: on storage that the hosts share (Ceph, NFS), on the"
        " host itself (local), or nowhere, as there are volumes only. What is local is copied with the memory;"
        " unknown counts as local.",
        "unknown",
        ("shared", "local", "volume", *_UNKNOWN),
    ),
    Option("cell", "string", "Name of the cell that these hosts are in: nothing migrates to another one."),
    Option(
        "link",
        "string",
        "Name of the shared link of the network that all traffic between these hosts and others goes over, such as the"
        " uplink of a rack: [executor] per_link limits how many migrations do at a time.",
    ),
    Option(
        "power_off_allowed",
        "string",
        "Whether vmpath may power these hosts off once they are empty.",
        "unknown",
        ("yes", "no", *_UNKNOWN),
    ),
)
_FIELDS = {"completion_timeout": "completion_timeout_s", "max_concurrent_live_migrations": "max_concurrent"}


def declare(values: Mapping[str, OptionValue]) -> Declaration:
    """A declaration from values of ``OPTIONS``."""
    given = {_FIELDS.get(name, name): value for name, value in values.items()}
    return msgspec.convert(given, Declaration, strict=False)


@dataclass(frozen=True, slots=True)
class Declarations:
    """All that is declared, by the name of the aggregate; ``EVERY_HOST`` stands for all hosts."""

    of_aggregate: Mapping[str, Declaration] = field(default_factory=dict)

    def of_host(self, aggregates: Iterable[str]) -> tuple[Declaration, tuple[str, ...]]:
        """What holds for a host in these aggregates, and on which fields they contradict each other: those are
        unknown."""
        named = [self.of_aggregate[name] for name in aggregates if name in self.of_aggregate]
        general = self.of_aggregate.get(EVERY_HOST, UNDECLARED)
        if not named:
            return general, ()
        values: dict[str, Any] = {}
        contradicted = []
        for each in fields(Declaration):
            said = {known for one in named if (known := getattr(one, each.name)) not in (None, "unknown")}
            if len(said) > 1:
                contradicted.append(each.name)
            else:
                values[each.name] = said.pop() if said else getattr(general, each.name)
        return Declaration(**values), tuple(contradicted)


def extra_of(declaration: Declaration) -> dict[str, Any]:
    """What a host's ``extra`` says of it; nothing where nothing is known."""
    known = declaration.known()
    return {_EXTRA: known} if known else {}


def declaration_of(host: Host) -> Declaration:
    """What is declared of a host of a snapshot; raises InvalidInput where its ``extra`` says what cannot be."""
    found = host.extra.get(_EXTRA)
    if found is None:
        return UNDECLARED
    try:
        return msgspec.convert(found, Declaration)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"extra.{_EXTRA} of host {host.name}: {error}") from None


def departure_obstacle(post_copy: PostCopy, host: str, declared: Declaration) -> str | None:
    """Why an instance must not be live-migrated away from a host, or None.

    One that forbids post-copy leaves no host where Nova's own time-out is, or may be, a switch to post-copy.
    """
    if post_copy == "allowed" or not declared.may_time_out_into_post_copy():
        return None
    if declared.times_out_into_post_copy():
        return (
            f"it forbids post-copy, and Nova switches what leaves {host} to post-copy when it takes too long"
            " (live_migration_timeout_action = force_complete)"
        )
    return (
        f"it forbids post-copy, and Nova may switch what leaves {host} to it when it takes too long: declare"
        f" post_copy_permitted = no or timeout_action = abort of an aggregate of {host}, if it is so"
    )


def forcing_obstacle(post_copy: PostCopy, host: str, declared: Declaration) -> str | None:
    """Why a migration that leaves a host must not be force-completed, or None.

    Whether Nova then pauses the guest or switches to post-copy cannot be chosen from outside: an instance that forbids
    post-copy is never forced, and no other where it is not declared which of the two it would be.
    """
    if post_copy == "forbidden":
        return "it forbids post-copy, which force-complete may be"
    if declared.forcing() == "unknown":
        return f"it is not declared whether force-complete is post-copy on {host} (post_copy_permitted)"
    return None
