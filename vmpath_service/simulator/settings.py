"""What can be chosen about a simulated cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """Times are simulated seconds, unless said otherwise.

    migration_mbps: rate at which one live migration copies memory, Mbit/s.
    host_mbps: what the migrations from a host share, and those to it, Mbit/s; None for no limit.
    concurrent_live_migrations: how many a source carries out at once; more of them are queued.
    overhead_s: what a live migration takes besides copying memory.
    progress_every_s: how often the memory figures of a running migration are refreshed.
    host_update_lag_s: how long after `completed` a server's host is still the old one; 0 means
        that the host changes first, as it does with Nova's fake drivers.
    aborts_end_in_error: an abort that has ended cleanly turns into ERROR some moments later, as with
        libvirt's driver in Nova 32 to 34; metadata can ask for it for a single server.
    post_copy_permitted: force-complete switches to post-copy, which cannot be aborted.
    service_down_time_s: silence of a nova-compute after which its service counts as down.
    dead_target_timeout_s: how long a migration to a target that died unnoticed hangs.
    action_s: what stopping, starting, pausing and deleting a server take.
    boot_s: what booting a server takes.
    keep_shelved_on: hosts that keep what is shelved on them; from all others it is offloaded at once.
    reclaim_instance_interval_s: how long a deleted server is kept (SOFT_DELETED); 0: not at all.
    token_lifetime_s: life of a token in real seconds.
    page_limit: most entries of one page of a list.
    max_allocation_candidates: most candidates of one answer of Placement; None for no limit.
    hypervisor_domain: appended to a service's host to give the hypervisor's host name.
    compute_microversion: newest microversion of the Compute API that is spoken, 2.N.
    images: the properties of images, by their id; an image that is not there has none.
    denied_rights: rules of Nova's and Placement's policies that do not hold for the administrator.
    """

    migration_mbps: float = 8000.0
    host_mbps: float | None = None
    concurrent_live_migrations: int = 1
    overhead_s: float = 2.0
    progress_every_s: float = 5.0
    host_update_lag_s: float = 0.0
    aborts_end_in_error: bool = False
    post_copy_permitted: bool = False
    service_down_time_s: float = 60.0
    dead_target_timeout_s: float = 180.0
    action_s: float = 0.5
    boot_s: float = 1.0
    keep_shelved_on: frozenset[str] = frozenset()
    reclaim_instance_interval_s: float = 0.0
    token_lifetime_s: float = 3600.0
    page_limit: int = 1000
    max_allocation_candidates: int | None = None
    hypervisor_domain: str = ""
    compute_microversion: int = 100
    images: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    denied_rights: frozenset[str] = frozenset()
    admin_password: str = "simulated"
    demo_password: str = "simulated"
    region: str = "RegionOne"
