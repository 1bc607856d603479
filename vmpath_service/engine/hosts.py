"""Hosts that a rearrangement or a maintenance disables, and enables again if they still are as it left them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import tenacity

from vmpath_service.engine.ports import Clock, Cloud
from vmpath_service.model.errors import CloudDenied, CloudError, NotFound

ATTEMPTS = 5
OF_REARRANGEMENT = "vmpath: rearrangement "

Answer = TypeVar("Answer")
Keep = Callable[[tuple[str, ...]], None]


def reason_of(identity: str) -> str:
    """What a host that a rearrangement disabled says about it."""
    return f"{OF_REARRANGEMENT}{identity}"


class HostSwitch:
    """Disables and enables hosts for one rearrangement or maintenance.

    ``keep`` writes down which hosts are disabled for it: before a host is disabled and after it is enabled again,
    so that none is forgotten in a crash.
    """

    def __init__(self, reason: str, cloud: Cloud, clock: Clock, stopping: Callable[[], bool], keep: Keep) -> None:
        """``reason``: what a host that is disabled says about it; by it our own are known again."""
        self._reason = reason
        self._cloud = cloud
        self._clock = clock
        self._stopping = stopping
        self._keep = keep

    def disable(self, wanted: Sequence[str], disabled: tuple[str, ...]) -> tuple[str, ...]:
        """Disable the hosts that are enabled; the others are none of our business.

        ``disabled`` is what is written down already; returns what is then. Raises CloudError when the cloud does
        not do it in a few attempts.
        """
        for host in wanted:
            if self.reason_now(host) is not None:
                continue
            if host not in disabled:
                disabled = (*disabled, host)
                self._keep(disabled)
            self._repeat(partial(self._cloud.disable_host, host, self._reason))
        return disabled

    def enable(self, disabled: tuple[str, ...]) -> tuple[str, ...]:
        """Enable again what still is disabled with our reason; returns the hosts that could not be enabled."""
        left: list[str] = []
        for host in disabled:
            try:
                if self.reason_now(host) == self._reason:
                    self._repeat(partial(self._cloud.enable_host, host))
            except CloudError:
                left.append(host)
        if tuple(left) != disabled:
            self._keep(tuple(left))
        return tuple(left)

    def enable_one(self, host: str) -> None:
        """Enable a host, whoever has disabled it; raises CloudError."""
        self._repeat(partial(self._cloud.enable_host, host))

    def disable_as(self, host: str, reason: str) -> None:
        """Disable a host, if it is enabled, with a reason that it had before; raises CloudError."""
        if self.reason_now(host) is None:
            self._repeat(partial(self._cloud.disable_host, host, reason))

    def reason_now(self, host: str) -> str | None:
        """Why the host is disabled, None if it is not; a host that Nova does not have any more is in nobody's way."""
        try:
            return self._repeat(partial(self._cloud.disabled_reason, host))
        except NotFound:
            return "Nova does not have it any more"

    def _repeat(self, call: Callable[[], Answer]) -> Answer:
        """Ask again if there is no answer: whatever is asked for here sets or reads a state."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, CloudError) and not isinstance(error, CloudDenied)
            ),
            wait=tenacity.wait_random_exponential(multiplier=1, max=20),
            stop=lambda attempt: attempt.attempt_number >= ATTEMPTS or self._stopping(),
            sleep=self._clock.wait,
            reraise=True,
        )
        return retrying(call)
