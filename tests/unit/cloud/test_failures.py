from __future__ import annotations

import socket

import pytest
import requests
from keystoneauth1 import exceptions as keystone
from keystoneauth1 import session

from vmpath_service.cloud import failures
from vmpath_service.model.errors import CloudDenied, CloudUnreachable, InvalidInput

ASKED = "Nova at http://nova.example.org/v2.1"
USER = "user 'admin' (project 'admin')"


def provoke(url: str) -> keystone.ClientException:
    """What keystoneauth raises at that address."""
    with pytest.raises(keystone.ClientException) as raised:
        session.Session(timeout=0.2).get(url, authenticated=False)
    return raised.value


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_a_refused_connection_was_never_sent() -> None:
    error = provoke(f"http://127.0.0.1:{free_port()}/")
    assert failures.never_sent(error)
    assert failures.reason_of(error) == "the connection was refused"


def test_a_silent_server_may_have_received_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        error = provoke(f"http://127.0.0.1:{listening.getsockname()[1]}/")
    assert not failures.never_sent(error)
    assert failures.reason_of(error) == "no answer within the time-out"


def test_an_unknown_name_was_never_sent() -> None:
    error = provoke("http://nowhere.invalid/")
    assert failures.never_sent(error)
    assert failures.reason_of(error) == "its host name is not known"


def test_a_reset_connection_may_have_received_it() -> None:
    error = keystone.ConnectFailure("Unable to establish connection")
    error.__cause__ = requests.exceptions.ConnectionError(ConnectionResetError(104, "Connection reset by peer"))
    assert not failures.never_sent(error)
    assert failures.reason_of(error) == "the connection was closed without an answer"


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (keystone.Unauthorized(), CloudDenied, "refused user 'admin'"),
        (keystone.EmptyCatalog("empty"), CloudDenied, "a project must be named"),
        (keystone.EndpointNotFound("no endpoint for compute in Mars"), CloudUnreachable, "Mars"),
        (keystone.DiscoveryFailure("nothing"), CloudUnreachable, "is the address right"),
        (keystone.MissingRequiredOptions([]), InvalidInput, "incomplete"),
        (keystone.ServiceUnavailable(), CloudUnreachable, "answered 503"),
        (keystone.ConnectTimeout("Request to http://keystone.example.org/v3/auth/tokens timed out"),
         CloudUnreachable, "Keystone at http://keystone.example.org/v3/auth/tokens does not answer"),
    ],
)  # fmt: skip
def test_foreign_errors_become_one_sentence(error: Exception, kind: type[Exception], said: str) -> None:
    translated = failures.translate(error, asked=ASKED, user=USER)
    assert type(translated) is kind
    assert said in str(translated)
    assert "\n" not in str(translated)
