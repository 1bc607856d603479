"""All options, for oslo-config-generator and for whoever reads the files."""

import copy
from types import ModuleType

from oslo_config import cfg

from vmpath_service.conf import (
    api,
    constraints,
    database,
    executor,
    maintenance,
    notifications,
    nova,
    planner,
    sending,
    service,
)

_SECTIONS: tuple[ModuleType, ...] = (
    service,
    database,
    api,
    nova,
    notifications,
    sending,
    constraints,
    planner,
    executor,
    maintenance,
)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Sections with their options (copies: the generator may change them)."""
    return [(section.GROUP, [copy.deepcopy(option) for option in section.OPTIONS]) for section in _SECTIONS]
