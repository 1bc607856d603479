"""Plain settings made of values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from vmpath_service.cloud.notifications import NotificationSettings, broker_hosts
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.cmd.configuration.values import TOKENS, Values, hint
from vmpath_service.conf import notifications, nova, sending
from vmpath_service.engine.executor.facts import Keys
from vmpath_service.engine.executor.settings import Convergence, Limits, Quarantine
from vmpath_service.engine.executor.settings import Settings as ExecutorSettings
from vmpath_service.engine.maintenance.attending import MaintenanceSettings
from vmpath_service.engine.settings import EngineSettings, PolicySection
from vmpath_service.model.constraints.base import Constraint
from vmpath_service.model.costs import registry as costs
from vmpath_service.model.costs.base import Cost
from vmpath_service.model.declarations import Declarations
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.windows import parse_windows
from vmpath_service.notifier.broker import DRIVERS, OF_BROKER, SendingSettings
from vmpath_service.pathfinder.strategies import registry as strategies

if TYPE_CHECKING:
    from vmpath_service.api.access import Access
    from vmpath_service.api.callers import Authentication
    from vmpath_service.store import Database

_AUTHENTICATION: Mapping[str, tuple[str, ...]] = {
    "http_basic": ("http_basic_auth_user_file", "http_basic_readers"),
    "keystone": ("operator_projects",),
}
"""Options of [api] that only one strategy reads."""


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Where the API listens, how many threads answer, and how callers prove who they are.

    ``oslo``: for oslo.policy and keystonemiddleware, which read their own options.
    """

    bind_host: str
    bind_port: int
    threads: int
    auth_strategy: str = "none"
    user_file: Path = Path("/etc/vmpath/htpasswd")
    readers: tuple[str, ...] = ()
    operator_projects: tuple[str, ...] = ()
    oslo: cfg.ConfigOpts = field(repr=False, compare=False, kw_only=True)

    def authentication(self) -> Authentication:
        """Raises InvalidInput where its file or its options are wrong."""
        from vmpath_service.api import callers

        if self.auth_strategy == "http_basic":
            return callers.BasicAuthentication(self.user_file, self.readers)
        if self.auth_strategy == "keystone":
            return callers.KeystoneAuthentication(self.oslo, self.operator_projects)
        return callers.NoAuthentication()

    def access(self) -> Access:
        """Raises InvalidFile where the operator's rules cannot be used."""
        from vmpath_service.api.access import FullAccess, PolicyAccess

        return FullAccess() if self.auth_strategy == "none" else PolicyAccess(self.oslo)


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """How to reach the database; times in seconds."""

    # repr=False: settings may end up in a log, secrets must not
    connection: str = field(repr=False)
    busy_seconds: float
    pool_size: int
    tries: int
    pause_seconds: float

    def open(self) -> Database:
        """The database; raises StoreError for a connection that makes no sense. Nothing is asked of it yet."""
        from vmpath_service.store import Database

        return Database(
            self.connection,
            busy_seconds=self.busy_seconds,
            pool_size=self.pool_size,
            connection_tries=self.tries,
            connection_pause_seconds=self.pause_seconds,
        )


def api_settings(values: Values) -> ApiSettings:
    """Raises InvalidInput where the address must not be listened on."""
    from vmpath_service.api.server import loopback_address

    host = values.get("api", "bind_host")
    strategy = values.get("api", "auth_strategy")
    for name in _AUTHENTICATION.keys() - {strategy}:
        for option in _AUTHENTICATION[name]:
            if values.changed("api", option):
                raise values.error("api", option, f"means nothing with auth_strategy = {strategy}")
    if strategy == "keystone" and not values.has(TOKENS, "auth_type"):
        raise values.missing(
            TOKENS,
            "auth_type",
            "auth_strategy = keystone needs it and what goes with it (auth_url, username, password, ...): as whom to "
            "ask Keystone about tokens",
        )
    if strategy == "none":
        try:
            loopback_address(host)
        except InvalidInput as error:
            raise values.error("api", "bind_host", str(error).removeprefix("[api] bind_host: ")) from error
    return ApiSettings(
        bind_host=host,
        bind_port=values.get("api", "bind_port"),
        threads=values.get("api", "threads"),
        auth_strategy=strategy,
        user_file=Path(values.get("api", "http_basic_auth_user_file")),
        readers=tuple(values.get("api", "http_basic_readers")),
        operator_projects=tuple(values.get("api", "operator_projects")),
        oslo=values.oslo,
    )


def state_path(values: Values) -> Path:
    """Raises InvalidInput where it is empty."""
    path = values.get("DEFAULT", "state_path")
    if not path:
        raise values.error("DEFAULT", "state_path", "found nothing, expected the path of a directory")
    return Path(path)


def database_settings(values: Values) -> DatabaseSettings:
    """What the database is told."""
    return DatabaseSettings(
        connection=values.get("database", "connection"),
        busy_seconds=values.get("database", "busy_seconds"),
        pool_size=values.get("database", "max_pool_size"),
        tries=values.get("database", "max_retries"),
        pause_seconds=values.get("database", "retry_interval"),
    )


def cloud_settings(values: Values, credentials: tuple[str, ...], declarations: Declarations) -> CloudSettings:
    """``credentials``: names of the options of [nova] that the kind of authentication takes.

    Raises InvalidInput where two descriptions of a cloud exclude each other or one is not whole.
    """

    def get(name: str) -> object:
        return values.get(nova.GROUP, name)

    auth = {name: str(get(name)) for name in credentials if get(name) is not None}
    cloud, kind, files = get("cloud"), get("auth_type"), get("clouds_files")
    if auth and cloud is not None:
        name = next(iter(auth))
        raise values.error(
            nova.GROUP, name, f"expected either credentials or a cloud of clouds.yaml, found both (cloud = {cloud})"
        )
    if auth and "auth_url" not in auth:
        raise values.error(nova.GROUP, next(iter(auth)), "credentials need auth_url, the address of Keystone, too")
    cafile = get("cafile")
    if cafile is not None and not os.path.isfile(str(cafile)):
        raise values.error(nova.GROUP, "cafile", f"found {cafile!r}, expected a file of certificates")
    return CloudSettings(
        cloud=None if cloud is None else str(cloud),
        auth=auth,
        auth_type=None if kind is None else str(kind),
        config_files=tuple(files) if isinstance(files, list) else (),
        region=values.get(nova.GROUP, "region_name"),
        interface=values.get(nova.GROUP, "interface"),
        cacert=None if cafile is None else str(cafile),
        insecure=values.get(nova.GROUP, "insecure"),
        connect_timeout_s=values.get(nova.GROUP, "connect_timeout"),
        read_timeout_s=values.get(nova.GROUP, "read_timeout"),
        attempts=values.get(nova.GROUP, "attempts"),
        longest_wait_s=values.get(nova.GROUP, "longest_wait"),
        token_margin_s=values.get(nova.GROUP, "token_margin_seconds"),
        looks_per_second=values.get(nova.GROUP, "looks_per_second"),
        workers=values.get(nova.GROUP, "workers"),
        page=values.get(nova.GROUP, "page_size"),
        rounds=values.get(nova.GROUP, "rounds"),
        movable_key=values.get(nova.GROUP, "movable_key"),
        mode_key=values.get(nova.GROUP, "mode_key"),
        cell_key=values.get(nova.GROUP, "cell_key"),
        read_ports=values.get(nova.GROUP, "read_ports"),
        move_stopped=values.get(nova.GROUP, "move_stopped"),
        live_migratable_aliases=tuple(values.get(nova.GROUP, "live_migratable_aliases")),
        full_reading_s=values.get(notifications.GROUP, "full_reading_seconds"),
        declarations=declarations,
    )


def notification_settings(values: Values) -> NotificationSettings:
    """Raises InvalidInput where the address of the broker cannot be one."""

    def get(name: str) -> str:
        text = values.get(notifications.GROUP, name)
        if not text:
            raise values.error(notifications.GROUP, name, "found nothing, expected a name")
        return str(text)

    url = values.get(notifications.GROUP, "transport_url")
    pool = values.get(notifications.GROUP, "pool")
    settings = NotificationSettings(url or None, get("exchange"), get("topic"), pool or None)
    if settings.url is not None:
        try:
            broker_hosts(settings)
        except InvalidInput as error:
            problem = str(error).removeprefix("[notifications] transport_url: ")
            raise values.error(notifications.GROUP, "transport_url", problem) from None
    return settings


def sending_settings(values: Values) -> SendingSettings:
    """Raises InvalidInput for an unknown driver, and where a broker is missing or cannot be one."""
    group = sending.GROUP
    drivers = tuple(dict.fromkeys(filter(None, values.get(group, "driver"))))
    for name in drivers:
        if name not in DRIVERS:
            raise values.error(group, "driver", f"there is no driver {name!r}{hint(name, DRIVERS)}")
    url = values.get(group, "transport_url")
    if set(drivers) & set(OF_BROKER):
        if not url:
            raise values.missing(group, "transport_url", f"driver = {drivers[0]} sends to a broker")
        try:
            broker_hosts(NotificationSettings(url))
        except InvalidInput as error:
            raise values.error(group, "transport_url", str(error).partition("transport_url: ")[2]) from None
    topics = tuple(values.get(group, "topics"))
    if not topics or not all(topics):
        raise values.error(group, "topics", "expected the name of at least one topic")
    return SendingSettings(drivers, url or None, topics, values.get(group, "retry"))


def engine_settings(
    values: Values, owner: str, policies: Mapping[str, PolicySection], constraints: tuple[Constraint, ...]
) -> EngineSettings:
    """What the engine is told; ``owner``: the name under which it works."""
    return EngineSettings(
        owner=owner,
        policies=policies,
        executor=_executor_settings(values),
        poll_seconds=values.get("executor", "poll_seconds"),
        planning_timeout=values.get("planner", "timeout"),
        planners=values.get("planner", "processes"),
        max_active=values.get("executor", "max_rearrangements"),
        stop_seconds=values.get("executor", "stop_seconds"),
        lease_seconds=values.get("executor", "lease_seconds"),
        constraints=constraints,
        migration_mbps=values.get("planner", "migration_mbps"),
        cost=_cost(values),
        strategy=_strategy(values),
        keys=Keys(
            mode=values.get(nova.GROUP, "mode_key"),
            no_go=values.get("executor", "no_go_key"),
            groups=tuple(values.get("executor", "group_keys")),
        ),
    )


def maintenance_settings(values: Values) -> MaintenanceSettings:
    """What those who carry maintenances on are told."""
    return MaintenanceSettings(
        poll_seconds=values.get("executor", "poll_seconds"),
        return_seconds=values.get("maintenance", "return_seconds"),
        settle_seconds=values.get("maintenance", "settle_seconds"),
        late_seconds=values.get("maintenance", "late_seconds"),
    )


def _cost(values: Values) -> Cost:
    texts = {}
    for entry in filter(None, values.get("planner", "cost_option")):
        name, separator, value = entry.partition("=")
        if not separator or not name.strip():
            raise InvalidInput(f"[planner] cost_option: found {entry!r}, expected OPTION=VALUE")
        texts[name.strip()] = value.strip()
    return costs.make(values.get("planner", "cost"), texts)


def _strategy(values: Values) -> str:
    name: str = strategies.make(values.get("planner", "strategy")).name
    return name


def _executor_settings(values: Values) -> ExecutorSettings:
    def get(name: str) -> Any:
        return values.get("executor", name)

    try:
        no_go = parse_windows(get("no_go"))
    except InvalidInput as error:
        raise values.error("executor", "no_go", str(error)) from error
    return ExecutorSettings(
        limits=Limits(
            per_source=get("per_source"),
            per_destination=get("per_destination"),
            in_total=get("in_total"),
            per_group=get("per_group") or None,
            per_project=get("per_project") or None,
            per_zone=get("per_zone") or None,
            per_link=get("per_link") or None,
        ),
        settle_seconds=get("settle_seconds"),
        abort_settle_seconds=get("abort_settle_seconds"),
        request_settle_seconds=get("request_settle_seconds"),
        start_wait_seconds=get("start_wait_seconds"),
        verify_seconds=get("verify_seconds"),
        stuck_seconds=get("stuck_seconds"),
        when_stuck=get("when_stuck"),
        retries=get("retries"),
        retry_seconds=get("retry_seconds"),
        on_failure=get("on_failure"),
        max_destinations=get("max_destinations"),
        max_replans=get("max_replans"),
        max_failure_percent=get("max_failure_percent"),
        failure_sample=get("failure_sample"),
        quarantine=Quarantine(get("quarantine_failures"), get("quarantine_seconds")),
        mode=get("mode"),
        convergence=Convergence(
            action=get("when_not_converging"),
            seconds_per_gib=get("copy_seconds_per_gib"),
            least_seconds=get("copy_seconds"),
            stall_seconds=get("stall_seconds"),
            max_downtime_seconds=get("max_downtime_seconds"),
        ),
        reset_state=get("reset_state"),
        warm_up=get("warm_up"),
        cool_down_seconds=get("cool_down_seconds"),
        no_go=no_go,
        pace=get("pace"),
    )
