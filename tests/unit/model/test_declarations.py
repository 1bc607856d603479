"""What operators declare, and what follows from it: caution where nothing is declared."""

from __future__ import annotations

from typing import Any

import pytest

from vmpath_service.model.declarations import (
    EVERY_HOST,
    OPTIONS,
    UNDECLARED,
    Declaration,
    Declarations,
    declaration_of,
    declare,
    departure_obstacle,
    extra_of,
    forcing_obstacle,
)
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import read_options
from vmpath_service.model.snapshot import Host

FULL = Declaration("yes", "abort", 800.0, 2, "shared", "one", "rack-1", "no")


def read(**texts: str) -> Declaration:
    return declare(read_options(OPTIONS, texts, texts=True, where="[aggregate:a]"))


def test_options_become_a_declaration() -> None:
    assert read() == UNDECLARED
    texts = {
        "post_copy_permitted": "yes",
        "timeout_action": "abort",
        "completion_timeout": "800",
        "max_concurrent_live_migrations": "2",
        "storage": "shared",
        "cell": "one",
        "link": "rack-1",
        "power_off_allowed": "no",
    }
    assert texts.keys() == {option.name for option in OPTIONS}
    assert read(**texts) == FULL


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("post_copy_permitted", "maybe"),
        ("timeout_action", "pause"),
        ("completion_timeout", "-1"),
        ("max_concurrent_live_migrations", "some"),
        ("storage", "tape"),
    ],
)
def test_a_wrong_value_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidInput, match=f"option {name}: found .*, expected "):
        read(**{name: text})


@pytest.mark.parametrize("declaration", [UNDECLARED, FULL, Declaration(completion_timeout_s=0.0, max_concurrent=0)])
def test_a_host_carries_its_declaration(declaration: Declaration) -> None:
    assert declaration_of(Host("a", {}, extra=extra_of(declaration))) == declaration


def test_what_a_file_says_wrongly_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"extra.declared of host a: .*post_copy_permitted"):
        declaration_of(Host("a", {}, extra={"declared": {"post_copy_permitted": True}}))
    assert extra_of(UNDECLARED) == {}


def test_aggregates_complete_each_other_and_every_host_is_the_rest() -> None:
    declarations = Declarations(
        {
            EVERY_HOST: Declaration(timeout_action="abort", cell="one"),
            "ssd": Declaration(storage="local"),
            "rack": Declaration(timeout_action="force_complete"),
        }
    )
    assert declarations.of_host(["other"]) == (Declaration(timeout_action="abort", cell="one"), ())
    assert declarations.of_host(["ssd"]) == (Declaration(timeout_action="abort", cell="one", storage="local"), ())
    both = Declaration(timeout_action="force_complete", cell="one", storage="local")
    assert declarations.of_host(["rack", "ssd"]) == (both, ())


def test_what_aggregates_contradict_is_unknown() -> None:
    declarations = Declarations(
        {
            EVERY_HOST: Declaration(post_copy_permitted="no"),
            "a": Declaration(post_copy_permitted="yes", max_concurrent=2),
            "b": Declaration(post_copy_permitted="no", max_concurrent=2),
        }
    )
    assert declarations.of_host(["a", "b"]) == (Declaration(max_concurrent=2), ("post_copy_permitted",))


SAFE: list[dict[str, Any]] = [
    {"post_copy_permitted": "no"},
    {"timeout_action": "abort"},
    {"completion_timeout_s": 0.0},
    {"post_copy_permitted": "no", "timeout_action": "force_complete"},
    {"post_copy_permitted": "yes", "timeout_action": "abort"},
    {"post_copy_permitted": "yes", "timeout_action": "force_complete", "completion_timeout_s": 0.0},
]
UNSAFE: list[dict[str, Any]] = [
    {},
    {"post_copy_permitted": "yes"},
    {"timeout_action": "force_complete"},
    {"completion_timeout_s": 800.0},
    {"post_copy_permitted": "yes", "timeout_action": "force_complete"},
]


@pytest.mark.parametrize("values", SAFE)
def test_what_forbids_post_copy_leaves_where_nova_cannot_switch_it(values: dict[str, Any]) -> None:
    assert departure_obstacle("forbidden", "a", Declaration(**values)) is None


@pytest.mark.parametrize("values", UNSAFE)
def test_what_forbids_post_copy_stays_where_nova_may_switch_it(values: dict[str, Any]) -> None:
    reason = departure_obstacle("forbidden", "a", Declaration(**values))
    assert reason is not None
    assert "a" in reason.split()
    assert departure_obstacle("allowed", "a", Declaration(**values)) is None


@pytest.mark.parametrize("permitted", ["yes", "no", "unknown"])
def test_what_forbids_post_copy_is_never_forced(permitted: Any) -> None:
    assert forcing_obstacle("forbidden", "a", Declaration(post_copy_permitted=permitted)) is not None


def test_others_are_forced_only_where_it_is_declared_what_that_does() -> None:
    assert forcing_obstacle("allowed", "a", UNDECLARED) is not None
    for permitted, way in (("yes", "post-copy"), ("no", "pause")):
        declared = Declaration(post_copy_permitted=permitted)  # type: ignore[arg-type]
        assert forcing_obstacle("allowed", "a", declared) is None
        assert declared.forcing() == way
