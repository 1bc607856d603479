"""Which microversion of the Compute API and of the Placement API is spoken, and what an old cloud cannot tell."""

from __future__ import annotations

from dataclasses import dataclass

from vmpath_service.model.errors import CloudError

# 2.30: the first in which naming a host does not go past the scheduler.
COMPUTE_NEEDED = 30
COMPUTE_WANTED = 100
# Later ones ask every host when hypervisors are listed, and show no capacity.
HYPERVISORS_WANTED = 87
# 1.29: summaries of candidates show all classes and nested providers; 1.31: of a single host.
PLACEMENT_NEEDED = 31
PLACEMENT_WANTED = 39
# Later ones want to be told a type of every consumer that is written, and Nova's have none.
PLACEMENT_WRITTEN = 37

HYPERVISOR_PAGES = 33
FLAVOR_EMBEDDED = 47
UUID_OF_HYPERVISOR = 53
COLD_TO_HOST = 56
MIGRATION_UUID = 59
DOWN_CELLS = 69
# the last in which an evacuated server is started again
EVACUATED_RUNS = 94
PINNED_ZONE = 96
MANILA_SHARES = 97
IMAGE_PROPERTIES = 98
SCHEDULER_HINTS = 100

_UNKNOWN_BELOW = (
    (FLAVOR_EMBEDDED, "the flavors of servers: their traits and devices"),
    (MIGRATION_UUID, "what migrations under way hold in Placement: it is counted twice"),
    (DOWN_CELLS, "whether a cell did not answer"),
    (PINNED_ZONE, "which servers are pinned to their availability zone"),
    (IMAGE_PROPERTIES, "the traits that images ask for"),
    (SCHEDULER_HINTS, "whether all server groups were shown"),
)


@dataclass(frozen=True, slots=True)
class Microversions:
    """The newest minor versions that the cloud speaks."""

    compute: int
    placement: int

    def has(self, minor: int) -> bool:
        """Whether the Compute API speaks 2.``minor``."""
        return self.compute >= minor

    def for_compute(self, wanted: int = COMPUTE_WANTED) -> str:
        """The microversion to send for a request that is understood up to 2.``wanted``."""
        return f"2.{min(self.compute, wanted)}"

    def for_placement(self, wanted: int = PLACEMENT_WANTED) -> str:
        """The microversion to send to the Placement API for a request that is understood up to 1.``wanted``."""
        return f"1.{min(self.placement, wanted)}"

    def notes(self) -> tuple[str, ...]:
        """What a cloud this old leaves unknown, one sentence each."""
        return tuple(
            f"the Compute API speaks 2.{self.compute} only; below 2.{minor} it does not tell {unknown}"
            for minor, unknown in _UNKNOWN_BELOW
            if not self.has(minor)
        )


def negotiate(compute: tuple[int, int] | None, placement: tuple[int, int] | None) -> Microversions:
    """From the newest versions announced; raises CloudError where the cloud is too old to be handled safely."""
    if compute is None or compute[0] != 2 or compute[1] < COMPUTE_NEEDED:
        raise CloudError(
            f"Nova speaks {_shown(compute)} only, 2.{COMPUTE_NEEDED} is needed: below it, a migration to a named host"
            " is not checked by the scheduler"
        )
    if placement is None or placement[0] != 1 or placement[1] < PLACEMENT_NEEDED:
        raise CloudError(f"the Placement API speaks {_shown(placement)} only, 1.{PLACEMENT_NEEDED} is needed")
    return Microversions(compute[1], placement[1])


def _shown(version: tuple[int, int] | None) -> str:
    return "no microversion" if version is None else f"{version[0]}.{version[1]}"
