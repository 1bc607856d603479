"""Every command with the place of its class: nothing is imported before somebody asks for it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from cliff import command, commandmanager

from vmpath_service.cli.command import load
from vmpath_service.model.errors import InvalidInput

_HERE = "vmpath_service.cli"

COMMANDS: Mapping[str, str] = {
    "allocation check": f"{_HERE}.allocation:Check",
    "allocation heal": f"{_HERE}.allocation:Heal",
    "complete": f"{_HERE}.complete:Complete",
    "drain": f"{_HERE}.drain:Drain",
    "freeze": f"{_HERE}.freeze:Freeze",
    "host list": f"{_HERE}.host:List",
    "host release": f"{_HERE}.host:Release",
    "host show": f"{_HERE}.host:Show",
    "instance list": f"{_HERE}.instance:List",
    "instance show": f"{_HERE}.instance:Show",
    "maintenance cancel": f"{_HERE}.maintenance:Cancel",
    "maintenance complete": f"{_HERE}.maintenance:Complete",
    "maintenance create": f"{_HERE}.maintenance:Create",
    "maintenance delete": f"{_HERE}.maintenance:Delete",
    "maintenance list": f"{_HERE}.maintenance:List",
    "maintenance pause": f"{_HERE}.maintenance:Pause",
    "maintenance resume": f"{_HERE}.maintenance:Resume",
    "maintenance show": f"{_HERE}.maintenance:Show",
    "maintenance watch": f"{_HERE}.maintenance:Watch",
    "path animate": f"{_HERE}.path_animate:Animate",
    "path check": f"{_HERE}.path:Check",
    "path debug": f"{_HERE}.path_debug:Debug",
    "path demo": f"{_HERE}.path_animate:Demo",
    "path draw": f"{_HERE}.path_draw:Draw",
    "path find": f"{_HERE}.path:Find",
    "path repl": f"{_HERE}.path_repl:Repl",
    "path soak": f"{_HERE}.path_soak:Soak",
    "path test": f"{_HERE}.path_test:Test",
    "policy apply": f"{_HERE}.policy_apply:Apply",
    "policy list": f"{_HERE}.policy:List",
    "policy show": f"{_HERE}.policy:Show",
    "rearrangement approve": f"{_HERE}.rearrangement:Approve",
    "rearrangement cancel": f"{_HERE}.rearrangement:Cancel",
    "rearrangement rollback": f"{_HERE}.rearrangement:Rollback",
    "rearrangement create": f"{_HERE}.rearrangement:Create",
    "rearrangement delete": f"{_HERE}.rearrangement:Delete",
    "rearrangement list": f"{_HERE}.rearrangement:List",
    "rearrangement pause": f"{_HERE}.rearrangement:Pause",
    "rearrangement report": f"{_HERE}.rearrangement:Report",
    "rearrangement resume": f"{_HERE}.rearrangement:Resume",
    "rearrangement show": f"{_HERE}.rearrangement:Show",
    "rearrangement watch": f"{_HERE}.rearrangement:Watch",
    "schedule create": f"{_HERE}.schedule:Create",
    "schedule delete": f"{_HERE}.schedule:Delete",
    "schedule disable": f"{_HERE}.schedule:Disable",
    "schedule enable": f"{_HERE}.schedule:Enable",
    "schedule list": f"{_HERE}.schedule:List",
    "schedule show": f"{_HERE}.schedule:Show",
    "rebuild-from": f"{_HERE}.rebuild:RebuildFrom",
    "snapshot diff": f"{_HERE}.snapshot:Diff",
    "snapshot save": f"{_HERE}.snapshot:Save",
    "snapshot show": f"{_HERE}.snapshot:Show",
    "thaw": f"{_HERE}.freeze:Thaw",
}


class LazyCommand:
    """A command that is imported when it is looked at."""

    def __init__(self, place: str) -> None:
        self.value = place

    def load(self) -> type[command.Command]:
        found: type[command.Command] = load(self.value)
        return found


class CommandTable(commandmanager.CommandManager):
    """cliff's look-up over our table."""

    def __init__(self) -> None:
        super().__init__(None)
        for name, place in COMMANDS.items():
            self.commands[name] = LazyCommand(place)  # type: ignore[assignment]

    def add_command(self, name: str, command_class: type[command.Command]) -> None:
        """cliff adds commands of its own: ours come first."""
        if name not in self.commands:
            super().add_command(name, command_class)

    def find_command(self, argv: list[str]) -> tuple[type[command.Command], str, list[str]]:
        """Raises InvalidInput with a hint where there is no such command."""
        try:
            return super().find_command(argv)
        except ValueError as error:
            raise InvalidInput(_unknown(argv, sorted(self.commands))) from error


def _unknown(argv: Sequence[str], known: Sequence[str]) -> str:
    """The sentence for words that are no command."""
    words: list[str] = []
    for word in argv:
        if word.startswith("-"):
            break
        words.append(word)
    if not words:
        return f"there is no option {argv[0]!r} before the command (see vmpath --help)"
    verbs = [name for name in known if name.split()[0] == words[0]]
    if verbs and len(words) == 1:
        return f"{words[0]!r} is not a command by itself; there are: {', '.join(verbs)}"
    pair = " ".join(words[:2])
    close = difflib.get_close_matches(pair, verbs or known, 1, 0.6)
    if close or verbs:
        said = pair
    else:
        said = words[0]
        nouns = sorted({name.split()[0] for name in known})
        noun = difflib.get_close_matches(said, nouns, 1, 0.6)
        close = [name for name in known if name.split()[0] in noun]
    hint = f"did you mean {', '.join(map(repr, close))}?" if close else "see vmpath --help"
    return f"there is no command {said!r}; {hint}"
