"""How the executor is to behave arrives as plain settings."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from oslo_config import cfg, types

from vmpath_service.cmd.configuration import Configuration
from vmpath_service.conf.executor import OPTIONS
from vmpath_service.engine.executor.facts import Keys
from vmpath_service.engine.executor.settings import Convergence, Quarantine
from vmpath_service.engine.settings import for_policy
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.windows import parse_windows

Read = Callable[[str], Configuration]

SET = """[executor]
per_group = 0
per_zone = 3
on_failure = rollback
when_not_converging = pause
copy_seconds = 7
max_downtime_seconds = 0.5
quarantine_failures = 9
max_failure_percent = 20
no_go = 08:00-18:00 mon-fri
reset_state = yes
pace = waves
group_keys = team
no_go_key = quiet
"""


def test_how_failures_and_slow_migrations_are_answered(configured: Read) -> None:
    found = configured(SET).engine
    executor = found.executor
    assert (executor.limits.per_group, executor.limits.per_zone, executor.limits.per_link) == (None, 3, None)
    assert (executor.on_failure, executor.pace, executor.reset_state) == ("rollback", "waves", True)
    assert executor.convergence == Convergence("pause", 120.0, 7.0, 60.0, 0.5)
    assert executor.quarantine == Quarantine(9, 3600.0)
    assert (executor.max_failure_percent, executor.no_go) == (20, parse_windows("08:00-18:00 mon-fri"))
    assert found.keys == Keys(no_go="quiet", groups=("team",))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("on_failure = pray", "expected one of retry, other-destination, skip, replan, rollback, stop"),
        ("no_go = sometimes", "no_go: window 'sometimes': expected a time"),
        ("max_failure_percent = 101", "expected a whole number from 0 to 100"),
    ],
)
def test_wrong_ones_are_refused(configured: Read, line: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        configured(f"[executor]\n{line}\n")


def test_a_policy_says_how_its_migrations_go(configured: Read) -> None:
    text = "[policy:drain]\nmode = pre-copy\non_failure = stop\nno_go = 08:00-09:00\n"
    found = configured(text).engine
    executor = for_policy(found.executor, found.policies["drain"].settings)
    assert (executor.mode, executor.on_failure) == ("pre-copy", "stop")
    assert executor.no_go == parse_windows("08:00-09:00")
    assert for_policy(found.executor, {}) == found.executor


def another(option: cfg.Opt) -> str:
    """A value that it does not have by itself."""
    if option.dest == "no_go":
        return "01:00-02:00"
    match option.type:
        case types.Boolean():
            return "no" if option.default else "yes"
        case types.Number():
            return str((option.default or 0) + 1)
        case types.String() if option.type.choices:
            return next(each for each in option.type.choices if each != option.default)
    return "something-else"


def bad_values(option: cfg.Opt) -> list[str]:
    match option.type:
        case types.Boolean():
            return ["perhaps"]
        case types.Number():
            return ["many", str(option.type.min - 1)]
        case types.String() if option.type.choices:
            return ["pray"]
    return []


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.dest)
def test_every_option_is_read_and_refuses_what_it_cannot_be(configured: Read, option: cfg.Opt) -> None:
    assert configured(f"[executor]\n{option.dest} = {another(option)}\n") != configured("")
    for bad in bad_values(option):
        with pytest.raises(InvalidInput, match=rf"\[executor\] {option.dest}") as refused:
            configured(f"[executor]\n{option.dest} = {bad}\n")
        assert "\n" not in str(refused.value)
        assert bad in str(refused.value)
