"""Sending requests: readings are repeated within limits, actions are sent once."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import msgspec
import tenacity
from keystoneauth1 import exceptions as keystone

from vmpath_service.cloud import failures
from vmpath_service.cloud.pace import Pace
from vmpath_service.cloud.session import NAMES, CloudSession
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import (
    AnswerLost,
    CloudBusy,
    CloudDenied,
    CloudError,
    CloudUnreachable,
    NoDecision,
    NotFound,
    RequestRefused,
)

LOG = logging.getLogger(__name__)
Answer = TypeVar("Answer")
Item = TypeVar("Item")
Result = TypeVar("Result")
Parameters = Mapping[str, str | int]
Observe = Callable[[str, str, int | None, float], None]

_TRY_AGAIN = frozenset((429, 500, 502, 503, 504))
_BUSY = frozenset((429, 503))
_MICROVERSION = re.compile(r"(\d+)\.(\d+)")


class _Unanswered(Exception):
    """An attempt that may be repeated: the error to raise when there is no attempt left."""

    def __init__(self, error: Exception, wait_s: float | None = None) -> None:
        self.error = error
        self.wait_s = wait_s
        super().__init__(str(error))


class _Missing(CloudError):
    """The API answered 404."""


@dataclass(frozen=True, slots=True)
class Probed:
    """An answer, whatever it is. ``ahead_s``: how much the API's clock is ahead of ours, None where it does not say;
    known to ``uncertain_s``."""

    status: int
    said: str
    body: Mapping[str, Any]
    ahead_s: float | None
    uncertain_s: float


class Api:
    """One API of the cloud. ``sent`` counts the requests, for whoever watches how many a reading takes.

    ``pace`` holds back all but actions. ``observe`` is told of every request: service, method, status (None without
    an answer) and seconds.
    """

    def __init__(
        self,
        session: CloudSession,
        service: str,
        settings: CloudSettings,
        pace: Pace | None = None,
        observe: Observe | None = None,
    ) -> None:
        self._observe = observe
        self._session = session
        self._service = service
        self._settings = settings
        self._pace = pace or Pace(0)
        self._adapter: Any = None
        self._asked = NAMES[service]
        self._timeout = (settings.connect_timeout_s, settings.read_timeout_s)
        self.sent = 0

    def newest_version(self) -> tuple[int, int] | None:
        """The newest microversion that the endpoint announces; authenticates on the way.

        Raises CloudUnreachable, CloudDenied.
        """
        data = self._endpoint_data()
        if data is None:
            raise CloudUnreachable(f"the service catalogue has no endpoint of {NAMES[self._service]}")
        if data.max_microversion is None:
            # Discovery is silent about why it found nothing: ask plainly, which says it. If that is answered, whoever
            # was away is back.
            return announced(self.get("/", dict[str, Any]))
        return data.max_microversion[0], data.max_microversion[1]

    def _endpoint_data(self) -> Any:
        try:
            return self._connected().get_endpoint_data()
        except keystone.ClientException as error:
            raise self._translated(error) from error

    def get(
        self,
        path: str,
        answer: type[Answer],
        *,
        microversion: str | None = None,
        parameters: Parameters | None = None,
        may_be_missing: bool = False,
    ) -> Answer:
        """Read; repeated after transport errors, 429 and 5xx: up to ``attempts`` times, none of them begun later than
        ``read_timeout_s`` after the first.

        Raises CloudUnreachable (CloudBusy after 429 and 503), CloudDenied (401, 403), NotFound (404, where something
        ``may_be_missing``), CloudError (other refusals), NoDecision when the answer cannot be understood.
        """
        try:
            response = self._repeated(lambda: self._attempt("GET", path, microversion, parameters, None))
        except _Missing as error:
            raise (NotFound if may_be_missing else CloudError)(str(error)) from None
        return self._decoded(path, response, answer)

    def put(self, path: str, body: Mapping[str, Any], *, microversion: str | None = None) -> None:
        """Set something to a value; repeated like a reading, since doing it twice changes nothing."""
        self._repeated(lambda: self._attempt("PUT", path, microversion, None, body))

    def ask_once(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, microversion: str | None = None
    ) -> None:
        """Ask for an action, once.

        Raises CloudUnreachable when it was surely not sent, CloudBusy when it is to be asked for later (429, and 503
        that says when), CloudDenied or RequestRefused when it was refused, AnswerLost when nobody knows: of a 503
        without a word of when to come again, a proxy may be the author that has passed the request on.
        """
        try:
            adapter = self._connected()
            # whatever can fail before the request itself, fails here
            self._session.renew_token()
            adapter.get_token()
            adapter.get_endpoint()
        except keystone.ClientException as error:
            raise self._translated(error) from error
        given: dict[str, Any] = {} if body is None else {"json": dict(body)}
        try:
            response = self._sent(
                adapter,
                path,
                method,
                microversion=microversion,
                timeout=self._timeout,
                redirect=False,
                connect_retries=0,
                status_code_retries=0,
                raise_exc=False,
                **given,
            )
        except keystone.Unauthorized as error:
            # the first answer was 401, and no new token was to be had
            raise self._translated(error) from error
        except keystone.ClientException as error:
            if failures.never_sent(error):
                raise self._translated(error) from error
            raise AnswerLost(
                f"{self._asked} was asked for {path}, and its answer never came: {failures.reason_of(error)}"
            ) from error
        if response.status_code < 300:
            return
        said = _said(response)
        status = response.status_code
        if status in (401, 403):
            user = self._session.identity().user
            raise CloudDenied(f"{self._asked} does not allow {user} to {method} {path} ({status}): {said}")
        wait_s = _retry_after(response)
        if status == 429 or (status == 503 and wait_s is not None):
            self._pace.brake.pull(wait_s)
            raise CloudBusy(f"{self._asked} wants fewer requests ({status}): {said}", wait_s)
        if 400 <= status < 500:
            raise RequestRefused(f"{self._asked} refused ({status}): {said}", status)
        raise AnswerLost(f"{self._asked} answered {status} to {path}: it may or may not have been done ({said})")

    def endpoint(self) -> str | None:
        """Where the catalogue, or the configuration, says the API is; authenticates on the way.

        Raises CloudUnreachable, CloudDenied.
        """
        try:
            found = self._connected().get_endpoint()
        except keystone.ClientException as error:
            raise self._translated(error) from error
        return None if found is None else str(found)

    def probe(
        self,
        method: str,
        path: str,
        *,
        microversion: str,
        parameters: Parameters | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Probed:
        """Ask once and return the answer, whatever it is: to find out what is allowed.

        Raises CloudUnreachable when there is none, CloudDenied when there is no token.
        """
        given: dict[str, Any] = {} if body is None else {"json": dict(body)}
        try:
            adapter = self._connected()
            sent_at = time.time()
            response = self._sent(
                adapter,
                path,
                method,
                params=None if parameters is None else dict(parameters),
                microversion=microversion,
                timeout=self._timeout,
                redirect=False,
                raise_exc=False,
                **given,
            )
        except keystone.ClientException as error:
            raise self._translated(error) from error
        took = time.time() - sent_at
        try:
            decoded = msgspec.json.decode(response.content)
        except (msgspec.DecodeError, ValueError):
            decoded = None
        return Probed(
            status=response.status_code,
            said=_said(response),
            body=decoded if isinstance(decoded, dict) else {},
            ahead_s=_ahead(response.headers.get("Date"), sent_at + took / 2),
            uncertain_s=took / 2 + 1.0,
        )

    def _connected(self) -> Any:
        if self._adapter is None:
            self._adapter = self._session.adapter(self._service)
            try:
                endpoint = self._adapter.get_endpoint()
            except keystone.ClientException:
                self._adapter = None
                raise
            if endpoint:
                self._asked = f"{NAMES[self._service]} at {endpoint}"
        return self._adapter

    def _translated(self, error: Exception) -> Exception:
        asked = self._asked
        if self._adapter is None:
            asked = f"Keystone at {self._session.auth_url()}"
        return failures.translate(error, asked=asked, user=self._session.identity().user)

    def _repeated(self, attempt: Callable[[], Any]) -> Any:
        settings = self._settings
        usual = tenacity.wait_random_exponential(multiplier=0.2, max=settings.longest_wait_s)

        def wait(state: tenacity.RetryCallState) -> float:
            failed = state.outcome.exception() if state.outcome else None
            asked = failed.wait_s if isinstance(failed, _Unanswered) else None
            return usual(state) if asked is None else min(asked, settings.longest_wait_s)

        try:
            return tenacity.Retrying(
                stop=tenacity.stop_any(
                    tenacity.stop_after_attempt(settings.attempts),
                    tenacity.stop_after_delay(settings.read_timeout_s),
                ),
                wait=wait,
                retry=tenacity.retry_if_exception_type(_Unanswered),
                reraise=True,
            )(attempt)
        except _Unanswered as failed:
            raise failed.error from failed

    def _sent(self, adapter: Any, path: str, method: str, **keywords: Any) -> Any:
        """The answer to one request; raises what keystoneauth raises."""
        self.sent += 1
        began, status = time.monotonic(), None
        try:
            response = adapter.request(path, method, **keywords)
            status = response.status_code
            return response
        finally:
            if self._observe is not None:
                self._observe(self._service, method, status, time.monotonic() - began)

    def _attempt(
        self,
        method: str,
        path: str,
        microversion: str | None,
        parameters: Parameters | None,
        body: Mapping[str, Any] | None,
    ) -> Any:
        try:
            adapter = self._connected()
            self._pace.wait()
            given: dict[str, Any] = {} if body is None else {"json": dict(body)}
            response = self._sent(
                adapter,
                path,
                method,
                params=None if parameters is None else dict(parameters),
                microversion=microversion,
                timeout=self._timeout,
                raise_exc=False,
                **given,
            )
        except keystone.ClientException as error:
            translated = self._translated(error)
            if isinstance(translated, CloudUnreachable):
                LOG.debug("%s %s: %s", method, path, translated)
                raise _Unanswered(translated) from error
            raise translated from error
        status = response.status_code
        if status < 300:
            return response
        what = f"{self._asked} answered {status} to {method} {path}: {_said(response)}"
        if status in _TRY_AGAIN:
            LOG.debug("%s", what)
            wait_s = _retry_after(response)
            if status not in _BUSY:
                raise _Unanswered(CloudUnreachable(what), wait_s)
            self._pace.brake.pull(wait_s)
            raise _Unanswered(CloudBusy(what, wait_s), wait_s)
        if status in (401, 403):
            user = self._session.identity().user
            raise CloudDenied(f"{self._asked} does not allow {user} to {method} {path} ({status}): {_said(response)}")
        if status == 404:
            raise _Missing(what)
        raise CloudError(what)

    def _decoded(self, path: str, response: Any, answer: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(response.content, type=answer)
        except (msgspec.DecodeError, ValueError) as error:
            raise NoDecision(f"the answer of {self._asked} to GET {path} cannot be understood: {error}") from None


@contextlib.contextmanager
def side_by_side(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads for requests, ended when the block is left: what is under way is waited for (every request has its
    time-out), and after a failure nothing more is begun."""
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="vmpath-cloud")
    try:
        yield pool
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def for_each(workers: int, read: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results in the order of the items, ``workers`` at a time; the first failure is raised."""
    waiting = list(items)
    if len(waiting) <= 1 or workers <= 1:
        return [read(item) for item in waiting]
    with side_by_side(min(workers, len(waiting))) as pool:
        return list(pool.map(read, waiting))


def announced(document: Mapping[str, Any]) -> tuple[int, int] | None:
    """The newest microversion that a version document tells: of one version, or of several."""
    found = []
    for each in (document.get("version"), *document.get("versions", ())):
        told = (each.get("max_version") or each.get("version")) if isinstance(each, dict) else None
        if isinstance(told, str) and (matched := _MICROVERSION.fullmatch(told)):
            found.append((int(matched[1]), int(matched[2])))
    return max(found, default=None)


def _retry_after(response: Any) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None


def _ahead(date: str | None, now: float) -> float | None:
    try:
        # half a second: the header is cut off to whole ones
        return None if date is None else parsedate_to_datetime(date).timestamp() + 0.5 - now
    except ValueError:
        return None


def _said(response: Any) -> str:
    """What the API gave as its reason, in one line of bounded length."""
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, ValueError):
        return response.reason or "no reason given"
    if isinstance(body, dict):
        parts = list(body.values())
        if isinstance(body.get("errors"), list) and body["errors"]:
            parts = [body["errors"][0]]
        for part in parts:
            if isinstance(part, dict):
                text = part.get("message") or part.get("detail")
                if text:
                    return " ".join(str(text).split())[:500]
    return response.reason or "no reason given"
