"""How to reach a cloud and how to read it: plain values, filled by whoever reads the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vmpath_service.model.declarations import Declarations


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """Where the cloud is, as whom to ask, and how patiently.

    With ``auth`` (keystoneauth's options: auth_url, username, password, project_name, ...) nothing else is
    looked at. Otherwise ``cloud`` names an entry of clouds.yaml, and without it the OS_* environment decides.
    ``config_files``: clouds.yaml files to read instead of the usual ones. ``region``, ``interface`` (public,
    internal, admin), ``cacert`` (a file of certificates) and ``insecure`` (TLS certificates are not checked) overrule
    what the cloud's entry says.

    Times in seconds. ``attempts`` is how often a reading request is sent at most; an action is sent once.
    An action is asked for with a token that has ``token_margin_s`` left, where tokens live so long; 0: with any.
    ``looks_per_second`` is how many requests the looks at what goes on may take in any second, readings of the whole
    cloud and actions left out; 0: any number.
    ``workers`` is how many requests are under way at a time, ``page`` how many servers one answer lists at most,
    ``rounds`` how often the cloud is read again when it changed while being read.

    ``movable_key`` and ``mode_key`` are read from a server's metadata and from its flavor's extra specs, and the
    more cautious counts; ``cell_key`` from the metadata of aggregates: the cell their hosts are in.
    ``read_ports``: whether Neutron is asked which servers have devices of their hosts as ports.
    ``move_stopped``: whether stopped servers that say nothing may be cold-migrated.
    ``live_migratable_aliases``: PCI devices that a guest can take along, by the names that nova.conf gives them.
    ``declarations``: what no API shows. ``full_reading_s``: for so long the list of all servers is kept between
    readings, where something tells of changes.
    """

    cloud: str | None = None
    # repr=False: settings may end up in a log, secrets must not
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth_type: str | None = None
    config_files: tuple[str, ...] = ()
    region: str | None = None
    interface: str | None = None
    cacert: str | None = None
    insecure: bool = False
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    attempts: int = 4
    longest_wait_s: float = 10.0
    token_margin_s: float = 600.0
    looks_per_second: int = 15
    workers: int = 4
    page: int = 1000
    rounds: int = 4
    movable_key: str = "vmpath:movable"
    mode_key: str = "vmpath:mode"
    cell_key: str = "vmpath:cell"
    read_ports: bool = False
    move_stopped: bool = False
    live_migratable_aliases: tuple[str, ...] = ()
    full_reading_s: float = 300.0
    declarations: Declarations = field(default_factory=Declarations)
