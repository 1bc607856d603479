"""Which hooks there are: by name, from the stevedore group ``vmpath.hooks``; and those that are configured."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from oslo_log import log as logging

from vmpath_service.hooks.base import Hook
from vmpath_service.hooks.command import CommandHook
from vmpath_service.hooks.webhook import WebHook
from vmpath_service.model.errors import HookFailed
from vmpath_service.model.options import OptionValue, read_options
from vmpath_service.model.plugins import Registry

LOG = logging.getLogger(__name__)

_REGISTRY: Registry[Hook] = Registry("vmpath.hooks", "hook", Hook, (CommandHook, WebHook))


def find(name: str) -> type[Hook]:
    """The class of the hook with this name; raises InvalidInput with a hint if there is none."""
    return _REGISTRY.find(name)


def available() -> tuple[str, ...]:
    """Names of all hooks, our own and installed ones, sorted."""
    return _REGISTRY.available()


@dataclass(frozen=True, slots=True)
class HookSection:
    """A hook as configured: ``events`` are patterns of the kinds of events that it is told of."""

    driver: str
    settings: Mapping[str, OptionValue] = field(default_factory=dict, repr=False)
    events: tuple[str, ...] = ()

    def make(self, name: str) -> Hook:
        """Raises InvalidInput."""
        kind = find(self.driver)
        return kind(read_options(kind.declared(), self.settings, texts=False, where=f"hook {name}"))


class ConfiguredHooks:
    """The hooks of the configuration: run by name, or told of events."""

    def __init__(self, sections: Mapping[str, HookSection]) -> None:
        """Raises InvalidInput."""
        self._hooks = {name: section.make(name) for name, section in sections.items()}
        self._events = {name: section.events for name, section in sections.items() if section.events}

    def names(self) -> Collection[str]:
        """Those that are configured."""
        return self._hooks.keys()

    def run(self, name: str, occasion: Mapping[str, Any]) -> None:
        """Run one and wait for its end; raises HookFailed."""
        hook = self._hooks.get(name)
        if hook is None:
            raise HookFailed(f"there is no hook {name!r} in the configuration any more")
        hook.run(occasion)

    def tells(self) -> bool:
        """Whether any of them is to be told of events at all."""
        return bool(self._events)

    def wants(self, kind: str) -> bool:
        """Whether any of them is to be told of this kind of event."""
        return any(self._wants(name, kind) for name in self._events)

    def tell(self, occasion: Mapping[str, Any]) -> None:
        """Run those that want to know of it, one after the other; what fails is logged. May take long."""
        kind = str(occasion.get("event", ""))
        for name in self._events:
            if not self._wants(name, kind):
                continue
            try:
                self._hooks[name].run(occasion)
            except HookFailed as error:
                LOG.warning("Hook %s was not told of %s: %s", name, kind, error)
            except Exception:
                LOG.exception("Hook %s broke", name)

    def _wants(self, name: str, kind: str) -> bool:
        return any(fnmatch.fnmatchcase(kind, pattern) for pattern in self._events[name])
