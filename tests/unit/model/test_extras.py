from typing import Any

import pytest

from vmpath_service.model.extras import undecided, wish
from vmpath_service.model.snapshot import Instance


def instance(metadata: dict[str, str] | None = None, **extra: Any) -> Instance:
    return Instance("x", "a", {}, metadata=metadata or {}, extra=extra)


def test_metadata_count_before_the_flavor() -> None:
    flavor = {"flavor_wishes": {"vmpath:mode": "post-copy"}}
    assert wish(instance(), "vmpath:mode") is None
    assert wish(instance(**flavor), "vmpath:mode") == "post-copy"
    assert wish(instance({"vmpath:mode": "auto"}, **flavor), "vmpath:mode") == "auto"


@pytest.mark.parametrize("strange", ["text", ["vmpath:mode"], {"vmpath:mode": 3}])
def test_what_a_file_says_strangely_is_no_wish(strange: Any) -> None:
    assert wish(instance(flavor_wishes=strange), "vmpath:mode") is None


def test_what_the_scheduler_decides() -> None:
    assert undecided(instance()) == ()
    assert undecided(instance(scheduler_decides=["pinned CPUs"])) == ("pinned CPUs",)
    assert undecided(instance(scheduler_decides="pinned CPUs")) == ()
