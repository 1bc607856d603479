"""Which policies there are: by name, from the stevedore group ``vmpath.policies``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from vmpath_service.model import plugins
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import read_options
from vmpath_service.policies.balance import BalancePolicy
from vmpath_service.policies.base import Policy
from vmpath_service.policies.consolidate import ConsolidatePolicy
from vmpath_service.policies.drain import DrainPolicy
from vmpath_service.policies.target import TargetPolicy

GROUP = "vmpath.policies"

# Our own are found without a scan of all installed packages: offline commands start in a blink.
OWN: Mapping[str, type[Policy]] = {
    own.name: own for own in (DrainPolicy, ConsolidatePolicy, BalancePolicy, TargetPolicy)
}


def find(name: str) -> type[Policy]:
    """The class of the policy with this name; raises InvalidInput with a hint if there is none."""
    own = OWN.get(name)
    if own is not None:
        return own
    there_are = available()
    if name not in there_are:
        close = difflib.get_close_matches(name, there_are, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(there_are)}"
        raise InvalidInput(f"there is no policy {name!r}; {hint}")
    found: type[Policy] = plugins.load(GROUP, name, Policy)
    return found


def available() -> tuple[str, ...]:
    """Names of all policies, our own and installed ones, sorted."""
    return tuple(sorted({*OWN, *plugins.available(GROUP)}))


def make(
    name: str, given: Mapping[str, object] | None = None, *, texts: bool = False, where: str | None = None
) -> Policy:
    """A policy with these settings, completed with defaults.

    ``texts``: the values are texts (ini file, ``--set``), else typed (JSON). ``where`` names the place for
    error sentences. Raises InvalidInput for an unknown policy, an unknown option or a wrong value.
    """
    kind = find(name)
    return kind(read_options(kind.declared(), given or {}, texts=texts, where=where or f"policy {name}"))
