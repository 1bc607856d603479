"""Which policies there are: by name, from the stevedore group ``vmpath.policies``."""

from __future__ import annotations

from collections.abc import Mapping

from vmpath_service.model.options import read_options
from vmpath_service.model.plugins import Registry
from vmpath_service.policies.balance import BalancePolicy
from vmpath_service.policies.base import Policy
from vmpath_service.policies.composed import composed
from vmpath_service.policies.consolidate import ConsolidatePolicy
from vmpath_service.policies.drain import DrainPolicy
from vmpath_service.policies.heal import HealPolicy
from vmpath_service.policies.proximity import GatherPolicy, SpreadPolicy
from vmpath_service.policies.sharing import SharingPolicy
from vmpath_service.policies.target import TargetPolicy
from vmpath_service.policies.threshold import ThresholdPolicy
from vmpath_service.policies.zone_migration import ZoneMigrationPolicy

_REGISTRY: Registry[Policy] = Registry(
    "vmpath.policies",
    "policy",
    Policy,
    (
        DrainPolicy,
        ConsolidatePolicy,
        BalancePolicy,
        HealPolicy,
        ThresholdPolicy,
        SpreadPolicy,
        GatherPolicy,
        SharingPolicy,
        ZoneMigrationPolicy,
        TargetPolicy,
    ),
)
OWN = _REGISTRY.own


def find(name: str) -> type[Policy]:
    """The class of the policy with this name, or of several joined by commas, one after the other.

    Raises InvalidInput, with a hint if there is none.
    """
    if "," not in name:
        return _REGISTRY.find(name)
    return composed(tuple(_REGISTRY.find(part.strip()) for part in name.split(",")))


def available() -> tuple[str, ...]:
    """Names of all policies, our own and installed ones, sorted."""
    return _REGISTRY.available()


def make(
    name: str, given: Mapping[str, object] | None = None, *, texts: bool = False, where: str | None = None
) -> Policy:
    """A policy with these settings, completed with defaults.

    ``texts``: the values are texts (ini file, ``--set``), else typed (JSON). ``where`` names the place for
    error sentences. Raises InvalidInput for an unknown policy, an unknown option or a wrong value.
    """
    kind = find(name)
    return kind(read_options(kind.declared(), given or {}, texts=texts, where=where or f"policy {name}"))
