"""Directives that write the reference from the code, so that it cannot say anything else.

``.. policy-driver:: DRIVER`` is a policy's description with a table of its own options, ``.. policy-guards::`` a table
of those that all policies share, ``.. hook-driver:: DRIVER`` and ``.. schedule-options::`` are the same for hooks and
schedules, ``.. event-kinds::`` lists every kind of event,
``.. vmpath-commands::`` describes every command of ``vmpath``, ``.. program-help::
MODULE`` every subcommand of a program whose module has a function ``_parser``. ``.. example::`` runs the offline
commands of ``vmpath`` in its lines, in the directory ``examples``, and shows what they say.
"""

from __future__ import annotations

import abc
import argparse
import importlib
import inspect
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

from vmpath_service.cli.command import load
from vmpath_service.cli.commands import COMMANDS
from vmpath_service.cmd.configuration import automation
from vmpath_service.hooks import registry as hooks
from vmpath_service.model import event_kinds
from vmpath_service.model.options import Option
from vmpath_service.policies import registry
from vmpath_service.policies.guards import GUARDS

_OWN_GROUPS = ("positional arguments", "options")
_ANSWERS = (0, 3, 4)
"""Exit statuses that are an answer; with others an example is wrong."""


class _Written(SphinxDirective):
    """A directive that stands for text in reStructuredText."""

    @abc.abstractmethod
    def lines(self) -> Iterator[str]:
        """The text, line by line."""

    def run(self) -> list[nodes.Node]:
        # what the text comes from is no file that Sphinx watches
        self.env.note_reread()
        where = f"<{self.name}>"
        text = StringList()
        for line in self.lines():
            text.append(line, where)
        holder = nodes.section()
        holder.document = self.state.document
        nested_parse_with_titles(self.state, text, holder)
        return list(holder.children)


class PolicyDriver(_Written):
    required_arguments = 1

    def lines(self) -> Iterator[str]:
        kind = registry.find(self.arguments[0])
        yield from inspect.cleandoc(kind.__doc__ or kind.summary).splitlines()
        yield ""
        yield from _option_table(kind.options)


class PolicyGuards(_Written):
    def lines(self) -> Iterator[str]:
        yield from _option_table(GUARDS)


class HookDriver(_Written):
    required_arguments = 1

    def lines(self) -> Iterator[str]:
        kind = hooks.find(self.arguments[0])
        yield from inspect.cleandoc(kind.__doc__ or kind.summary).splitlines()
        yield ""
        yield from _option_table((automation.EVENTS, *kind.declared()))


class ScheduleOptions(_Written):
    def lines(self) -> Iterator[str]:
        yield from _option_table(automation.SCHEDULE)


class EventKinds(_Written):
    def lines(self) -> Iterator[str]:
        yield ".. list-table::"
        yield "   :header-rows: 1"
        yield "   :widths: 28 10 31 31"
        yield ""
        yield from _row(("Event", "Level", "What has happened", "What comes next"))
        for name, kind in event_kinds.KINDS.items():
            yield from _row((f"``{name}``", kind.level, _plain(kind.meaning), _plain(kind.next)))
        yield ""


class Commands(_Written):
    def lines(self) -> Iterator[str]:
        for name, place in COMMANDS.items():
            command = load(place)(None, None, cmd_name=name)
            yield from _heading(f"vmpath {name}", "-")
            yield from _parser_lines(command.get_parser(f"vmpath {name}"))


class ProgramHelp(_Written):
    required_arguments = 1

    def lines(self) -> Iterator[str]:
        parser = importlib.import_module(self.arguments[0])._parser()
        for each in _leaves(parser):
            if each is not parser:
                yield from _heading(each.prog, "-")
            yield from _parser_lines(each)


class Example(_Written):
    has_content = True

    def lines(self) -> Iterator[str]:
        yield ".. code-block:: console"
        yield ""
        for command in self.content:
            yield f"   $ {command}"
            yield from (f"   {line}".rstrip() for line in self._run(command))
            yield ""

    def _run(self, command: str) -> list[str]:
        program, *arguments = shlex.split(command)
        if program != "vmpath":
            raise self.error(f"only vmpath is run here, not {program}")
        done = subprocess.run(
            [sys.executable, "-m", "vmpath_service.cmd.vmpath", *arguments],
            cwd=Path(self.env.srcdir) / "examples",
            env={**os.environ, "COLUMNS": "110"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        if done.returncode not in _ANSWERS:
            raise self.error(f"{command} ended with {done.returncode}: {done.stdout}")
        status = ["$ echo $?", str(done.returncode)] if done.returncode else []
        return [*filter(None, done.stdout.splitlines()), *status]


def _option_table(options: Iterable[Option]) -> Iterator[str]:
    yield ".. list-table::"
    yield "   :header-rows: 1"
    yield "   :widths: 18 32 14 36"
    yield ""
    yield from _row(("Option", "What it does", "Default", "Expected"))
    for option in options:
        yield from _row((f"``{option.name}``", _plain(option.help), _default(option), _plain(option.expected())))
    yield ""


def _row(cells: Iterable[str]) -> Iterator[str]:
    for number, cell in enumerate(cells):
        yield f"   {'*' if not number else ' '} - {cell}"


def _default(option: Option) -> str:
    value: Any = option.default
    if isinstance(value, bool):
        value = "yes" if value else "no"
    elif isinstance(value, tuple):
        value = ", ".join(value)
    elif isinstance(value, Mapping):
        value = ", ".join(f"{name}:{part:.0%}" for name, part in value.items())
    return "(not set)" if value in (None, "") else f"``{value}``"


def _plain(text: str) -> str:
    """Text that means itself in reStructuredText."""
    return "".join(f"\\{each}" if each in "*`|_\\" else each for each in text)


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser itself, then those of its subcommands, down to the last."""
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not nested or any(action.option_strings and action.dest != "help" for action in parser._actions):
        yield parser
    for action in nested:
        for each in action.choices.values():
            yield from _leaves(each)


def _parser_lines(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Description, usage and arguments; the output formats, which all commands share, are told of elsewhere."""
    if parser.description:
        yield from parser.description.strip().splitlines()
        yield ""
    shown = [group for group in parser._action_groups if group.title in _OWN_GROUPS]
    actions = [action for group in shown for action in group._group_actions]
    listed = [each for each in actions if each.dest != "help" and each.help != argparse.SUPPRESS]
    yield ".. code-block:: none"
    yield ""
    yield "   " + " ".join([parser.prog, *map(_usage, sorted(listed, key=lambda each: not each.option_strings))])
    yield ""
    for action in listed:
        if isinstance(action, argparse._SubParsersAction):
            continue
        yield f"``{_label(action)}``"
        help_text = _plain((action.help or "").replace("%(default)s", str(action.default)))
        yield f"    {help_text}"
        yield ""


def _label(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar or action.dest)
    value = "" if action.nargs == 0 else f" {_value(action)}"
    return ", ".join(f"{name}{value}" for name in action.option_strings)


def _usage(action: argparse.Action) -> str:
    if isinstance(action, argparse._SubParsersAction):
        return f"{action.metavar} ..."
    if not action.option_strings:
        name = _label(action)
        return f"{name} [{name} ...]" if action.nargs == "+" else name
    text = f"{action.option_strings[0]} {'' if action.nargs == 0 else _value(action)}".strip()
    return text if action.required else f"[{text}]"


def _value(action: argparse.Action) -> str:
    if action.choices and not action.metavar:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return str(action.metavar or action.dest.upper())


def _heading(title: str, underline: str) -> list[str]:
    return [title, underline * len(title), ""]


def setup(app: Sphinx) -> dict[str, Any]:
    directives: dict[str, type[Directive]] = {
        "policy-driver": PolicyDriver,
        "policy-guards": PolicyGuards,
        "hook-driver": HookDriver,
        "schedule-options": ScheduleOptions,
        "event-kinds": EventKinds,
        "vmpath-commands": Commands,
        "program-help": ProgramHelp,
        "example": Example,
    }
    for name, directive in directives.items():
        app.add_directive(name, directive)
    return {"parallel_read_safe": True}
