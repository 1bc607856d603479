"""Which policies the service offers."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vmpath_service.cli.abridged import in_line
from vmpath_service.cli.client import Client
from vmpath_service.cli.command import Lister, ShowOne
from vmpath_service.model.errors import NotFound
from vmpath_service.model.hints import hint


def find_policy(client: Client, name: str) -> Mapping[str, Any]:
    """A policy of the service; raises NotFound with a hint."""
    policies = {policy["name"]: policy for policy in client.get("policies")["policies"]}
    if name in policies:
        found: Mapping[str, Any] = policies[name]
        return found
    raise NotFound(f"there is no policy {name!r}{hint(name, policies, None)}")


def typed(policy: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """The options as the policy declares them; raises InvalidInput."""
    if not given:
        return {}
    from vmpath_service.model.options import Option, read_options

    declared = [
        Option(
            name=option["name"],
            kind=option["kind"],
            help=option["help"],
            default=option["default"],
            choices=tuple(option["choices"]),
            minimum=option["minimum"],
            maximum=option["maximum"],
        )
        for option in policy["options"]
    ]
    values = read_options(declared, given, texts=True, where="--set")
    return {name: values[name] for name in given}


class List(Lister):
    """List the policies that may be asked for."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        policies = self.client().get("policies")["policies"]
        columns = ("name", "driver", "approval", "summary")
        return columns, [tuple(policy.get(name) for name in columns) for policy in policies]


class Show(ShowOne):
    """Show a policy with its options and what they are set to."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("policy", metavar="POLICY", help="its name")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        policy = dict(find_policy(self.client(), parsed_args.policy))
        if parsed_args.formatter not in ("json", "yaml"):
            policy["options"] = "\n".join(_option_in_words(option, policy) for option in policy["options"])
            policy.pop("settings", None)
        return self.dict2columns(policy)


def _option_in_words(option: Mapping[str, Any], policy: Mapping[str, Any]) -> str:
    value = policy.get("settings", {}).get(option["name"], option.get("default"))
    return f"{option['name']} = {_text(value)}: {option['help']}"


def _text(value: Any) -> str:
    if value is None:
        return "(not set)"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}:{share:.4g}" for name, share in value.items()) or "(none)"
    if isinstance(value, (list, tuple)):
        return in_line(value) or "(none)"
    return str(value)
