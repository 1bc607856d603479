"""What holds for every test."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A program run in this process logs to the streams of its test, which are closed when the test has ended."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in [each for each in root.handlers if each not in before]:
        root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="session")
def database_server() -> Iterator[Callable[[str], str]]:
    """Gives the URL of the database of a server, "mariadb" or "postgresql", with empty tables; the server is started
    when it is asked for first."""
    from tests.database_servers import SERVERS, empty
    from vmpath_service.store import Database

    urls: dict[str, str] = {}
    with ExitStack() as running:

        def url_of(name: str) -> str:
            if name not in urls:
                urls[name] = running.enter_context(SERVERS[name]())
            database = Database(urls[name])
            if database.revision() is None:
                database.upgrade()
            else:
                empty(urls[name])
            database.close()
            return urls[name]

        yield url_of
