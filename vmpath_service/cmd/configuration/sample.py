"""Options of policies and of what is declared of aggregates, for oslo-config-generator."""

from __future__ import annotations

from collections.abc import Mapping

from oslo_config import cfg

from vmpath_service.model.declarations import EVERY_HOST, OPTIONS
from vmpath_service.model.options import Option
from vmpath_service.policies import registry


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """A section for each driver there is, as a policy of the same name, and one for the aggregate of all hosts."""
    sections: list[tuple[str, list[cfg.Opt]]] = []
    for name in registry.available():
        kind = registry.find(name)
        driver = cfg.StrOpt("driver", default=name, help=f"{kind.summary} Several policies may use one driver.")
        sections.append((f"policy:{name}", [driver, *map(_option, kind.declared())]))
    return [*sections, (f"aggregate:{EVERY_HOST}", list(map(_option, OPTIONS)))]


def _option(option: Option) -> cfg.Opt:
    """As a text: the driver's own declaration is what reads it."""
    default = option.default
    if isinstance(default, bool):
        text: str | None = "yes" if default else "no"
    elif isinstance(default, tuple):
        text = ", ".join(default)
    elif isinstance(default, Mapping):
        text = ", ".join(f"{name}:{part:.0%}" for name, part in default.items())
    else:
        text = None if default is None else f"{default}"
    return cfg.StrOpt(option.name, default=text, help=f"{option.help} Expected: {option.expected()}.")
