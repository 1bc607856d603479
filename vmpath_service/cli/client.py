"""Talking to vmpath-service over HTTP."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, quote, urlsplit

from vmpath_service.model.errors import Conflict, InvalidInput, NotFound, VmpathError

if TYPE_CHECKING:
    import requests

_CONNECT_S = 5.0
_ANSWER_S = 300.0
_WHO_ASKS = 401
_KINDS: Mapping[int, type[VmpathError]] = {
    400: InvalidInput,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: InvalidInput,
    415: InvalidInput,
}


class Credentials(Protocol):
    """Proves who asks."""

    def prove(self, challenge: str) -> Mapping[str, str]:
        """The headers that answer WWW-Authenticate; raises VmpathError where there are none."""


class NothingAnswers(VmpathError):
    """There is no service at the address."""


class Client:
    """Every method raises VmpathError: of the kind that the service's answer stands for, or because there was
    none."""

    def __init__(self, url: str, credentials: Credentials | None = None) -> None:
        """``credentials``: for a service that wants to know who asks. Raises InvalidInput for what is no address."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"the address of vmpath-service is {url!r}, expected one such as http://127.0.0.1:9817")
        import requests

        self.url = url.rstrip("/")
        self._credentials = credentials
        self._session = requests.Session()
        # a proxy for the outer world has no business between two programs of one machine
        self._session.trust_env = not _is_loopback(parts.hostname)

    def check(self) -> None:
        """Raises NothingAnswers, or what else goes wrong, unless a service is there."""
        self._ask("GET", "/")

    def get(self, *path: str, **query: Any) -> Any:
        """What is at ``path`` (its parts are quoted)."""
        return self._json("GET", _join(path), params=query)

    def post(self, *path: str, body: object = None, **query: Any) -> Any:
        return self._json("POST", _join(path), json=body, params=query)

    def put(self, *path: str, body: object) -> Any:
        return self._json("PUT", _join(path), json=body)

    def delete(self, *path: str) -> None:
        self._send("DELETE", _join(path))

    def pages(self, *path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page; the list is named as the last part of ``path``."""
        here, given = _join(path), list(query.items())
        while True:
            page = self._json("GET", here, params=given)
            yield from page[path[-1]]
            following = [link["href"] for link in page["links"] if link["rel"] == "next"]
            if not following:
                return
            # only the query of the link: its host is the one that the service sees, behind a tunnel another one
            given = parse_qsl(urlsplit(following[0]).query)

    def _json(self, method: str, path: str, **keywords: Any) -> Any:
        answer = self._send(method, path, **keywords)
        try:
            return answer.json()
        except ValueError as error:
            raise VmpathError(f"what answers at {self.url} is not vmpath-service") from error

    def _send(self, method: str, path: str, **keywords: Any) -> requests.Response:
        answer = self._ask(method, path, **keywords)
        challenge = answer.headers.get("WWW-Authenticate")
        if answer.status_code == _WHO_ASKS and challenge and self._credentials is not None:
            # a token may have run out meanwhile: it is fetched anew each time that the service asks for it
            self._session.headers.update(self._credentials.prove(challenge))
            answer = self._ask(method, path, **keywords)
        return self._fine(answer)

    def _ask(self, method: str, path: str, **keywords: Any) -> requests.Response:
        import requests

        try:
            return self._session.request(
                method, f"{self.url}{path}", timeout=(_CONNECT_S, _ANSWER_S), allow_redirects=False, **keywords
            )
        except requests.ConnectionError as error:
            raise NothingAnswers(
                f"nothing answers at {self.url}: start vmpath-service, or name its address with --vmpath-url "
                "or VMPATH_URL"
            ) from error
        except requests.Timeout as error:
            raise VmpathError(f"vmpath-service at {self.url} did not answer within {_ANSWER_S:g} s") from error
        except requests.RequestException as error:
            raise VmpathError(f"the request to {self.url} failed: {error}") from error

    def _fine(self, answer: requests.Response) -> requests.Response:
        if answer.status_code < 300:
            return answer
        try:
            message = str(answer.json()["error"]["message"])
        except (ValueError, KeyError, TypeError) as error:
            raise VmpathError(
                f"what answers at {self.url} is not vmpath-service (status {answer.status_code})"
            ) from error
        raise _KINDS.get(answer.status_code, VmpathError)(message)


def _join(parts: tuple[str, ...]) -> str:
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
