"""Reading the whole configuration at once."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oslo_config import cfg

from vmpath_service.cloud.notifications import NotificationSettings
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.cmd.configuration import files as texts
from vmpath_service.cmd.configuration import settings
from vmpath_service.cmd.configuration.automation import read_hooks, read_schedules
from vmpath_service.cmd.configuration.sections import read_constraints, read_declarations, read_policies
from vmpath_service.cmd.configuration.values import Values
from vmpath_service.engine.maintenance.attending import MaintenanceSettings
from vmpath_service.engine.settings import EngineSettings
from vmpath_service.hooks.registry import HookSection
from vmpath_service.model.schedules import ScheduleRequest
from vmpath_service.notifier.broker import SendingSettings


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that an operator configured, checked. ``files`` are those that were read, in order.

    ``oslo`` is what oslo.log wants to see; nothing else reads it.
    """

    given: tuple[tuple[str, ...], tuple[str, ...]]
    files: tuple[str, ...]
    state_path: Path
    database: settings.DatabaseSettings
    api: settings.ApiSettings
    cloud: CloudSettings
    notifications: NotificationSettings
    sending: SendingSettings
    engine: EngineSettings
    maintenance: MaintenanceSettings
    hooks: Mapping[str, HookSection]
    schedules: Mapping[str, ScheduleRequest]
    oslo: cfg.ConfigOpts = field(repr=False, compare=False)


def load(
    files: Sequence[str] = (), directories: Sequence[str] = (), *, owner: str | None = None
) -> Configuration:
    """Read these files and the .conf and .ini files of these directories; with neither, those of /etc/vmpath.

    ``owner`` names this engine among those on the same database (default: this machine and process).
    Raises InvalidInput, mostly InvalidFile: one sentence that names file, section, option, what was found and
    what is allowed.
    """
    written = texts.read(texts.find(files, directories))
    values = Values(written)
    return Configuration(
        given=(tuple(files), tuple(directories)),
        files=written.files,
        state_path=settings.state_path(values),
        database=settings.database_settings(values),
        api=settings.api_settings(values),
        cloud=settings.cloud_settings(values, values.credentials(), read_declarations(written)),
        notifications=settings.notification_settings(values),
        sending=settings.sending_settings(values),
        engine=settings.engine_settings(
            values,
            owner or f"{socket.gethostname()}:{os.getpid()}",
            read_policies(written, values),
            read_constraints(written, values),
        ),
        maintenance=settings.maintenance_settings(values),
        hooks=read_hooks(written),
        schedules=read_schedules(written),
        oslo=values.oslo,
    )


def load_again(configuration: Configuration) -> Configuration:
    """The configuration as the files that ``configuration`` came from have it now.

    Raises InvalidInput, whatever in the files is wrong: whoever called keeps what it has.
    """
    return load(*configuration.given)
