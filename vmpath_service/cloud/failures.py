"""What keystoneauth raises, as vmpath's own errors: one sentence that names who was asked, where and as whom.

No sentence holds a password or a token: they are put together from names, addresses and reasons only.
"""

from __future__ import annotations

import re
import socket

import requests
import urllib3
from keystoneauth1 import exceptions as keystone

from vmpath_service.model.errors import CloudDenied, CloudUnreachable, InvalidInput, VmpathError

_ADDRESS = re.compile(r"https?://[^\s'\",)]+")


def chain(error: BaseException) -> list[BaseException]:
    """The error and what led to it, the way keystoneauth, requests and urllib3 wrap each other."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting and len(found) < 20:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or each in found:
            continue
        found.append(each)
        waiting += [each.__cause__ or each.__context__, getattr(each, "reason", None), *each.args[:2]]
    return found


def never_sent(error: BaseException) -> bool:
    """Whether the request surely never left: no connection was made to send it through."""
    return any(
        isinstance(each, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError)
        for each in chain(error)
    )


def reason_of(error: BaseException) -> str:
    """Why a connection failed, in words."""
    links = chain(error)
    text = " ".join(str(each) for each in links)
    if any(isinstance(each, socket.gaierror | urllib3.exceptions.NameResolutionError) for each in links):
        return "its host name is not known"
    if "Connection refused" in text:
        return "the connection was refused"
    if any(isinstance(each, keystone.SSLError | requests.exceptions.SSLError) for each in links):
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return "its certificate is not trusted (is the CA file right?)"
        return "TLS failed"
    if any(isinstance(each, keystone.ConnectTimeout | requests.exceptions.Timeout) for each in links):
        return "no answer within the time-out"
    if any(word in text for word in ("Remote end closed", "reset by peer", "Connection aborted")):
        return "the connection was closed without an answer"
    return "the connection failed"


def address_in(error: BaseException, default: str) -> str:
    """The address that an error of keystoneauth speaks of."""
    for each in chain(error):
        match = _ADDRESS.search(str(each))
        if match:
            return match.group().rstrip(".:")
    return default


def translate(error: Exception, *, asked: str, user: str) -> VmpathError:
    """The error that says the same in vmpath's tree.

    ``asked`` is who was asked and where ("Nova at http://..."), ``user`` as whom.
    """
    if isinstance(error, VmpathError):
        return error
    if isinstance(error, keystone.Unauthorized):
        return CloudDenied(f"{_keystone(error, asked)} refused {user}: wrong name, password, project or domain")
    if isinstance(error, keystone.Forbidden):
        return CloudDenied(f"{_keystone(error, asked)} does not let {user} in")
    if isinstance(error, keystone.ConnectionError):
        return CloudUnreachable(f"{_party(error, asked)} does not answer: {reason_of(error)}")
    if isinstance(error, keystone.EmptyCatalog):
        return CloudDenied(f"{user} is given no service catalogue: a project must be named")
    if isinstance(error, keystone.CatalogException):
        return CloudUnreachable(f"the service catalogue does not help {user}: {_first_line(error)}")
    if isinstance(error, keystone.DiscoveryFailure) and "Unable to establish connection" in str(error):
        # keystoneauth says in words only what led to it
        return CloudUnreachable(f"{_party(error, asked)} does not answer: {reason_of(error)}")
    if isinstance(error, keystone.DiscoveryFailure | keystone.InvalidResponse):
        return CloudUnreachable(f"{_party(error, asked)} answers, but not as that API does (is the address right?)")
    if isinstance(error, keystone.HttpError):
        return CloudUnreachable(f"{_party(error, asked)} answered {error.http_status} (is the address right?)")
    if isinstance(error, keystone.AuthPluginException):
        return InvalidInput(f"the credentials of {user} are incomplete: {_first_line(error)}")
    return CloudUnreachable(f"{asked} cannot be used: {_first_line(error)}")


def _keystone(error: BaseException, asked: str) -> str:
    address = address_in(error, "")
    if address or asked.startswith("Keystone"):
        return f"Keystone at {address}" if address else asked
    return "Keystone"


def _party(error: BaseException, asked: str) -> str:
    """Who failed: what was asked, or, when the error names another address, the one there."""
    address = address_in(error, "")
    _, _, place = asked.partition(" at ")
    if not address or (place and address.startswith(place.rstrip("/"))):
        return asked
    return f"Keystone at {address}" if "/auth/tokens" in address else f"the server at {address}"


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
