"""What a shell may complete in the commands of ``vmpath``, and the script that tells it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

# What stands for a name that only the service knows, by the word that usage shows for it.
_KINDS = {"HOST": "host", "POLICY": "policy"}
_OF_NOUN = {
    ("rearrangement", "ID"): "rearrangement",
    ("maintenance", "ID"): "maintenance",
    ("schedule", "NAME"): "schedule",
}
_LISTS = {
    "host": "host list -f value -c name",
    "policy": "policy list -f value -c name",
    "schedule": "schedule list -f value -c name",
    "rearrangement": "rearrangement list -f value -c id",
    "maintenance": "maintenance list -f value -c id",
}
_FILES = ("FILE", "DIR", "BEFORE", "AFTER")


@dataclass(frozen=True, slots=True)
class Completion:
    """Of one command: its ``options``; those of them that take a value (``valued``); ``after`` an option, what may be
    its value; ``arguments``: what the others may be. A value is words, or a name of ``_LISTS`` behind ``@``, or
    ``@file``."""

    options: tuple[str, ...]
    valued: tuple[str, ...]
    after: Mapping[tuple[str, ...], str]
    arguments: tuple[str, ...]


def completion(name: str, parser: argparse.ArgumentParser) -> Completion:
    """Of the command of this name, by its parser."""
    options: list[str] = []
    valued: list[str] = []
    after: dict[tuple[str, ...], str] = {}
    arguments: list[str] = []
    for action in parser._actions:
        value = _value(name, action)
        if not action.option_strings:
            if value:
                arguments.append(value)
        elif action.help != argparse.SUPPRESS:
            options += action.option_strings
            valued += action.option_strings if action.nargs != 0 else ()
            if action.nargs != 0 and value:
                after[tuple(action.option_strings)] = value
    return Completion(tuple(options), tuple(valued), after, tuple(dict.fromkeys(arguments)))


def _value(name: str, action: argparse.Action) -> str:
    if action.choices:
        # shells split words where there are spaces: states are taken with hyphens, too
        return " ".join(str(choice).replace(" ", "-") for choice in action.choices)
    shown = str(action.metavar or action.dest.upper())
    kind = _OF_NOUN.get((name.split()[0], shown)) if not action.option_strings else None
    kind = kind or _KINDS.get(shown)
    return f"@{kind}" if kind else "@file" if shown in _FILES else ""


def script(shell: str, commands: Mapping[str, Completion], general: Completion) -> str:
    """What ``shell`` (bash or zsh) is to read; ``general`` are the options before the command."""
    return "\n".join(_lines(shell, commands, general)) + "\n"


def _lines(shell: str, commands: Mapping[str, Completion], general: Completion) -> Iterator[str]:
    yield f"# completion of vmpath for {shell}; written by: vmpath complete {shell}"
    if shell == "zsh":
        yield "autoload -U +X compinit bashcompinit"
        yield "whence compdef >/dev/null || compinit"
        yield "bashcompinit"
    yield "_vmpath_words() {"
    yield '    case "$1" in'
    yield f'    "") echo "{_words(general.options)} {_words(_following(commands, ""))}" ;;'
    nouns = sorted({name.split()[0] for name in commands if " " in name})
    for noun in nouns:
        yield f'    "{noun}") echo "{_words(_following(commands, noun))}" ;;'
    for name, each in commands.items():
        yield f'    "{name}") echo "{_words(each.options)}" ;;'
    yield "    esac"
    yield "}"
    yield "_vmpath_value() {"
    yield '    case "$1 $2" in'
    for name, each in commands.items():
        for options, value in each.after.items():
            yield f'    {"|".join(f"{chr(34)}{name} {option}{chr(34)}" for option in options)}) echo "{value}" ;;'
        if each.arguments:
            yield f'    "{name} ") echo "{_words(each.arguments)}" ;;'
    yield "    esac"
    yield "}"
    yield "_vmpath_names() {"
    yield '    case "$1" in'
    for kind, listing in _LISTS.items():
        yield f"    @{kind}) vmpath {listing} 2>/dev/null ;;"
    yield "    esac"
    yield "}"
    yield _FUNCTION.replace("@VALUED@", "|".join(general.valued))
    yield "complete -F _vmpath vmpath"


def _following(commands: Mapping[str, Completion], noun: str) -> Sequence[str]:
    """The words that may come after ``noun``, or first."""
    if not noun:
        return sorted({name.split()[0] for name in commands})
    return sorted(name.split()[1] for name in commands if name.startswith(f"{noun} "))


def _words(words: Sequence[str]) -> str:
    return " ".join(words)


_FUNCTION = r"""_vmpath() {
    local current previous noun command word number value kind offered=""
    current="${COMP_WORDS[COMP_CWORD]}"
    previous="${COMP_WORDS[COMP_CWORD-1]}"
    noun="" command="" number=1
    while [ "$number" -lt "$COMP_CWORD" ] && [ -z "$command" ]; do
        word="${COMP_WORDS[number]}"
        case "$word" in
        @VALUED@) number=$((number + 1)) ;;
        -*) ;;
        *)
            if [ -n "$noun" ]; then
                command="$noun $word"
            else
                case "$(_vmpath_words "$word")" in
                -*) command="$word" ;;
                *) noun="$word" ;;
                esac
            fi
            ;;
        esac
        number=$((number + 1))
    done
    value=""
    if [ -n "$command" ]; then
        case "$previous" in
        -*) value="$(_vmpath_value "$command" "$previous")" ;;
        esac
        if [ -z "$value" ]; then
            case "$current" in
            -*) offered="$(_vmpath_words "$command")" ;;
            *) value="$(_vmpath_value "$command" "")" ;;
            esac
        fi
    else
        offered="$(_vmpath_words "$noun")"
    fi
    for kind in $(echo "$value"); do
        case "$kind" in
        @file) ;;
        @*) offered="$offered $(_vmpath_names "$kind" | tr '\n' ' ')" ;;
        *) offered="$offered $kind" ;;
        esac
    done
    COMPREPLY=($(compgen -W "$offered" -- "$current"))
    case "$value" in
    *@file*) COMPREPLY+=($(compgen -f -- "$current")) ;;
    esac
}"""
