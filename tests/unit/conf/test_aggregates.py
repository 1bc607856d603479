"""Sections [aggregate:NAME]: what is declared of aggregates, whatever they are called."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmpath_service.cmd.configuration import Configuration
from vmpath_service.model.declarations import Declaration
from vmpath_service.model.errors import InvalidFile

Read = Callable[[str], Configuration]


def test_each_section_is_a_declaration(configured: Read) -> None:
    found = configured("""
[aggregate:rack 7: "ssd"]
post_copy_permitted = yes
timeout_action = abort
completion_timeout = 0
max_concurrent_live_migrations = 3
power_off_allowed = yes
[aggregate:*]
cell = one
storage = shared
""").cloud.declarations
    assert dict(found.of_aggregate) == {
        'rack 7: "ssd"': Declaration("yes", "abort", 0.0, 3, power_off_allowed="yes"),
        "*": Declaration(cell="one", storage="shared"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[aggregate:a]\npost_copy = yes\n",
            "at [aggregate:a] post_copy: there is no such option; did you mean 'post_copy_permitted'?",
        ),
        (
            "[aggregate:a]\ntimeout_action = stop\n",
            "at [aggregate:a]: option timeout_action: found 'stop', expected one of abort, force_complete, unknown",
        ),
        (
            "[aggregate:a]\ncompletion_timeout = long\n",
            "at [aggregate:a]: option completion_timeout: found 'long', expected a number of at least 0",
        ),
        ("[aggregate]\nstorage = local\n", "at [aggregate]: there is no such section; did you mean 'aggregate:NAME'?"),
    ],
)
def test_what_is_wrong_is_one_sentence(configured: Read, text: str, said: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        configured(text)
    assert said in str(caught.value)
