"""The engine's port is fulfilled without either side knowing the other."""

import inspect

import pytest

from vmpath_service.cloud.live import NovaCloud
from vmpath_service.engine import ports

CALLS = [name for name, _ in inspect.getmembers(ports.Cloud, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("name", CALLS)
def test_the_calls_are_those_of_the_port(name: str) -> None:
    mine = inspect.signature(getattr(NovaCloud, name))
    port = inspect.signature(getattr(ports.Cloud, name))
    assert list(mine.parameters) == list(port.parameters)
    assert mine.return_annotation == port.return_annotation
