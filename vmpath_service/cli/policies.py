"""The policy that an offline command names: a section of the configuration, or a plug-in with its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmpath_service.cli.app import Application
    from vmpath_service.policies.base import Policy


def chosen(app: Application, name: str, given: Mapping[str, str]) -> Policy:
    """The policy of this name; ``given``: options of the command line, as texts. Raises InvalidInput, InvalidFile."""
    from vmpath_service.model.options import read_options
    from vmpath_service.policies import registry

    configured = app.wiring.policy(name, app.options.config_file, app.options.config_dir)
    driver, settings = configured if configured else (name, {})
    complete = read_options(registry.find(driver).declared(), given, texts=True, where="--set")
    return registry.make(driver, dict(settings) | {option: complete[option] for option in given})
