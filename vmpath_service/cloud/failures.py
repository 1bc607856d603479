"""What keystoneauth raises, as vmpath's own errors: one sentence that names who was asked, where and as whom.

No sentence holds a password or a token: they are put together from names, addresses and reasons only.
"""

from __future__ import annotations

import re
import socket

import requests
import urllib3
from keystoneauth1 import exceptions as keystone

from vmpath_service.model.errors import CloudDenied, CloudError, CloudUnreachable, InvalidInput, VmpathError

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
        return CloudDenied(
            f"Keystone refused {user}: wrong user name, password, project or domain"
            f" (asked at {address_in(error, asked)})"
        )
    if isinstance(error, keystone.Forbidden):
        return CloudDenied(f"Keystone does not let {user} in (asked at {address_in(error, asked)})")
    if isinstance(error, keystone.ConnectionError):
        return CloudUnreachable(f"{_party(error, asked)} does not answer: {reason_of(error)}")
    if isinstance(error, keystone.CatalogException):
        return CloudUnreachable(f"the service catalogue that {user} sees has no endpoint: {_first_line(error)}")
    if isinstance(error, keystone.DiscoveryFailure):
        return CloudUnreachable(f"{_party(error, asked)} is not the API that was expected: {_first_line(error)}")
    if isinstance(error, keystone.HttpError):
        return CloudUnreachable(f"{_party(error, asked)} answered {error.http_status}")
    if isinstance(error, keystone.AuthPluginException):
        return InvalidInput(f"the credentials of {user} are incomplete: {_first_line(error)}")
    if isinstance(error, keystone.ClientException):
        return CloudUnreachable(f"{asked} cannot be used: {_first_line(error)}")
    return CloudError(f"{asked} cannot be used: {type(error).__name__}")


def _party(error: BaseException, asked: str) -> str:
    """Who failed: what was asked, or, when the error names another address, the one there (Keystone)."""
    address = address_in(error, "")
    _, _, place = asked.partition(" at ")
    if not address or (place and address.startswith(place.rstrip("/"))):
        return asked
    return f"Keystone at {address}" if "/auth/tokens" in address or not place else f"the server at {address}"


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
