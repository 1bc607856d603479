"""Rules of plug-ins, as arguments of the offline commands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vmpath_service.cli import arguments
from vmpath_service.model.errors import InvalidInput

if TYPE_CHECKING:
    from vmpath_service.model.constraints.base import Constraint


def add_constraints(parser: argparse.ArgumentParser) -> None:
    """``--constraint`` and ``--constraint-set``."""
    parser.add_argument(
        "--constraint",
        action="append",
        default=[],
        dest="constraints",
        metavar="NAME",
        help="a rule of a plug-in that holds beside vmpath's own; may be repeated",
    )
    parser.add_argument(
        "--constraint-set",
        action="append",
        type=arguments.assignment,
        default=[],
        metavar="NAME.OPTION=VALUE",
        help="an option of a rule; may be repeated",
    )


def chosen_constraints(parsed: argparse.Namespace) -> tuple[Constraint, ...]:
    """The rules in force: vmpath's own and those that were named. Raises InvalidInput."""
    from vmpath_service.model.constraints import registry
    from vmpath_service.model.options import OptionValue, read_options

    names = (*registry.DEFAULT, *(name for name in parsed.constraints if name not in registry.DEFAULT))
    texts: dict[str, dict[str, str]] = {}
    for key, value in parsed.constraint_set:
        name, dot, option = key.partition(".")
        if not dot or name not in names:
            raise InvalidInput(
                f"--constraint-set {key}: expected NAME.OPTION=VALUE with the name of a constraint in force"
                f" ({', '.join(names)})"
            )
        texts.setdefault(name, {})[option] = value
    settings: dict[str, dict[str, OptionValue]] = {
        name: read_options(registry.find(name).options, given, texts=True, where=f"constraint {name}")
        for name, given in texts.items()
    }
    return registry.make(names, settings)
