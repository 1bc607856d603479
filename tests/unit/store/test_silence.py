"""The machine of a database server vanishes: whoever waits for it hears so in time, and goes on when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, literal, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session

from tests.silence import Way, way_to
from vmpath_service.model.errors import StoreError
from vmpath_service.store import Database, SqlStore, servers

PATIENCE = 60.0
# as short as the drivers know them
SHORT = {
    "mariadb": {"connect_timeout": "1", "read_timeout": "1", "write_timeout": "1"},
    "postgresql": {"connect_timeout": "2", "tcp_user_timeout": "1000"},
}
# more than is on its way between two machines: what is not taken is seen while it is sent
MUCH = "x" * 12_000_000


@pytest.fixture(params=sorted(SHORT))
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(server: str, database_server: Callable[[str], str]) -> URL:
    return make_url(database_server(server))


@pytest.fixture
def way(url: URL) -> Iterator[Way]:
    with way_to(str(url.host), int(url.port or 0)) as way:
        yield way


@pytest.fixture
def database(server: str, url: URL, way: Way) -> Iterator[Database]:
    by_way = url.set(port=way.port).update_query_dict(SHORT[server])
    opened = Database(by_way.render_as_string(hide_password=False), connection_tries=1)
    yield opened
    way.close()
    opened.close()


def in_time(call: Callable[[], object]) -> None:
    """It does not wait until the kernel gives up, which takes a quarter of an hour, or for ever."""
    threads = ThreadPoolExecutor(1)
    try:
        threads.submit(call).result(PATIENCE)
    finally:
        threads.shutdown(wait=False)


def test_a_statement_to_a_server_that_vanished(database: Database, way: Way) -> None:
    store = SqlStore(database, time)

    def work(session: Session) -> None:
        session.execute(select(literal(1)))
        way.fall_silent()
        session.execute(select(func.length(literal(MUCH))))

    with pytest.raises(StoreError):
        in_time(lambda: database.read(work))
    way.speak_again()
    store.add_event("a", "after")
    assert [event.kind for event in store.events()] == ["a"]


def test_a_server_that_takes_a_connection_and_says_nothing(database: Database, way: Way) -> None:
    way.fall_silent()
    with pytest.raises(StoreError):
        in_time(database.revision)
    way.speak_again()
    assert database.revision() is not None


def test_what_the_url_says_counts() -> None:
    url = servers.with_time_limits(make_url("mysql+pymysql://me@there/x?read_timeout=7"))
    assert dict(url.query) == {"read_timeout": "7", "connect_timeout": "10", "write_timeout": "60"}
    url = servers.with_time_limits(make_url("postgresql+psycopg2://me@there/x?keepalives_idle=7&sslmode=require"))
    assert dict(url.query) == {
        "sslmode": "require",
        "keepalives_idle": "7",
        "keepalives_interval": "10",
        "keepalives_count": "4",
        "connect_timeout": "10",
        "tcp_user_timeout": "60000",
    }


def test_a_change_of_the_schema_may_take_its_time() -> None:
    url = servers.with_time_limits(make_url("mysql+pymysql://me@there/x"), answers=False)
    assert dict(url.query) == {"connect_timeout": "10", "write_timeout": "60"}
