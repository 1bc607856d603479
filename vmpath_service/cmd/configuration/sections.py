"""Sections with a name: ``[policy:NAME]``, ``[constraint:NAME]``, ``[aggregate:NAME]``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vmpath_service.cmd.configuration.files import Assignment, Written
from vmpath_service.cmd.configuration.values import Values, hint
from vmpath_service.engine.settings import PolicySection
from vmpath_service.model.constraints import registry as constraints
from vmpath_service.model.constraints.base import Constraint
from vmpath_service.model.declarations import EVERY_HOST, OPTIONS, UNDECLARED, Declarations, declare
from vmpath_service.model.errors import InvalidFile, InvalidInput
from vmpath_service.model.options import Option, OptionValue, read_options
from vmpath_service.policies import registry as policies

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_ANYTHING = re.compile(r".*\S.*")
_DRIVER = "driver"


def read_policies(written: Written, values: Values) -> Mapping[str, PolicySection]:
    """The policies on offer, by name, in the order in which they are enabled, with all their options.

    Sections of policies that are not enabled are not looked into: their drivers need not be installed.
    Raises InvalidInput.
    """
    sections = named(written, "policy")
    for name, section in sections.items():
        _refuse_two(written, name, section)
    enabled: Sequence[str] | None = values.get("DEFAULT", "enabled_policies")
    if enabled is None:
        enabled = list(dict.fromkeys((*policies.OWN, *sections)))
    for name in enabled:
        if enabled.count(name) > 1:
            raise values.error("DEFAULT", "enabled_policies", f"found {name!r} twice")
        if name not in sections and name not in policies.available():
            known = {*sections, *policies.available()}
            raise values.error(
                "DEFAULT",
                "enabled_policies",
                f"there is neither a section [policy:{name}] nor a driver {name!r}{hint(name, known)}",
            )
    return {name: _policy(name, sections.get(name)) for name in enabled}


def read_constraints(written: Written, values: Values) -> tuple[Constraint, ...]:
    """The rules in force; raises InvalidInput."""
    sections = named(written, "constraint")
    enabled: Sequence[str] = values.get("constraints", "enabled")
    made: list[Constraint] = []
    for name in enabled:
        if enabled.count(name) > 1:
            raise values.error("constraints", "enabled", f"found {name!r} twice")
        if name not in constraints.DEFAULT and name not in constraints.available():
            sentence = f"there is no constraint {name!r}{hint(name, constraints.available())}"
            raise values.error("constraints", "enabled", sentence)
        (bare,) = constraints.make([name])
        lines = sections[name].assignments if name in sections else ()
        settings = read_section(type(bare).options, lines, f"[constraint:{name}]")
        made += constraints.make([name], {name: settings})
    for name, section in sections.items():
        if name not in enabled:
            raise InvalidFile(
                section.file, f"[constraint:{name}]", f"this constraint is not enabled{hint(name, enabled)}"
            )
    return tuple(made)


def read_declarations(written: Written) -> Declarations:
    """What is declared of aggregates, whatever they are called; raises InvalidInput."""
    sections = named(written, "aggregate", _ANYTHING)
    found = {
        name: declare(read_section(OPTIONS, section.assignments, f"[aggregate:{name}]"))
        for name, section in sections.items()
    }
    if found.get(EVERY_HOST) == UNDECLARED:
        del found[EVERY_HOST]
    return Declarations(found)


@dataclass(frozen=True, slots=True)
class Section:
    """What is written under one heading, in however many files; ``file`` is the first of them."""

    file: str
    assignments: tuple[Assignment, ...]


def named(written: Written, kind: str, names: re.Pattern[str] = _NAME) -> dict[str, Section]:
    """The sections ``[kind:NAME]`` by name; raises InvalidFile for a name that is none."""
    found: dict[str, Section] = {}
    for file, section in written.headings:
        if not section.startswith(f"{kind}:"):
            continue
        name = section.removeprefix(f"{kind}:")
        if not names.fullmatch(name):
            raise InvalidFile(
                file, f"[{section}]", f"found the name {name!r}, expected letters, digits, '-', '_' and '.' only"
            )
        lines = tuple(assignment for assignment in written.assignments if assignment.section == section)
        found.setdefault(name, Section(file, lines))
    return found


def _refuse_two(written: Written, name: str, section: Section) -> None:
    """Another file may add options to a policy, but not be another policy of the same name; raises InvalidFile."""
    heading = f"policy:{name}"
    for file in written.files:
        if written.headings.count((file, heading)) > 1:
            raise InvalidFile(file, f"[{heading}]", "found twice in this file; two policies need two names")
    drivers = [line for line in section.assignments if line.option == _DRIVER]
    if len(drivers) > 1:
        first = drivers[0]
        raise drivers[-1].wrong(
            f"{first.file} says already that the driver of this policy is {first.text.strip()!r}; two policies need "
            "two names"
        )


def _policy(name: str, section: Section | None) -> PolicySection:
    if section is None:
        kind = policies.find(name)
        return PolicySection(name, read_options(kind.declared(), {}, texts=True, where=f"policy {name}"))
    heading = f"[policy:{name}]"
    chosen = next((line for line in reversed(section.assignments) if line.option == _DRIVER), None)
    if chosen is None and name not in policies.available():
        raise InvalidFile(
            section.file, heading, f"option driver is missing; there are: {', '.join(policies.available())}"
        )
    driver = name if chosen is None else chosen.text.strip()
    try:
        kind = policies.find(driver)
    except InvalidInput as error:
        if chosen is None:
            raise InvalidFile(section.file, heading, str(error)) from error
        raise chosen.wrong(str(error)) from error
    lines = [line for line in section.assignments if line.option != _DRIVER]
    return PolicySection(driver, read_section(kind.declared(), lines, heading))


def read_section(declared: Iterable[Option], lines: Iterable[Assignment], heading: str) -> dict[str, OptionValue]:
    """All options with their defaults where nothing is written; raises InvalidFile."""
    known = {option.name: option for option in declared}
    values = read_options(known.values(), {}, texts=True, where=heading)
    for line in lines:
        option = known.get(line.option)
        if option is None:
            raise line.wrong(f"there is no such option{hint(line.option, known)}")
        try:
            # a value may go over several lines
            values[line.option] = option.parse(" ".join(line.text.split("\n")))
        except InvalidInput as error:
            raise InvalidFile(line.file, heading, str(error)) from error
    return values
