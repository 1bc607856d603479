"""What Nova is asked to do: each request is sent once, never forced, and a host is always named to the scheduler."""

from __future__ import annotations

from vmpath_service.cloud.api import Api
from vmpath_service.cloud.microversions import COLD_TO_HOST, EVACUATED_RUNS, Microversions
from vmpath_service.model.errors import RequestRefused


class Actions:
    """Asks Nova. What every method raises is what ``Api.ask_once`` raises; when one returns, Nova has accepted the
    request, and no more."""

    def __init__(self, api: Api, versions: Microversions) -> None:
        self._api = api
        self._versions = versions
        self._newest = versions.for_compute()

    def live_migrate(self, instance: str, dest: str) -> None:
        """Never with ``force``, which 2.30 to 2.67 admit."""
        self._act(instance, {"os-migrateLive": {"host": dest, "block_migration": "auto"}})

    def abort(self, instance: str, migration: int) -> None:
        """Call a live migration off.

        Nova refuses (409) when it has ended, and below 2.65 (400) when it is only queued.
        """
        self._api.ask_once("DELETE", f"/servers/{instance}/migrations/{migration}", microversion=self._newest)

    def force_complete(self, instance: str, migration: int) -> None:
        """Have a running live migration come to its end: by post-copy where Nova permits it, else by pausing the
        guest. Nova refuses (400) while it is queued or prepared, and (409) when it has ended."""
        path = f"/servers/{instance}/migrations/{migration}/action"
        self._api.ask_once("POST", path, {"force_complete": None}, microversion=self._newest)

    def cold_migrate(self, instance: str, dest: str) -> None:
        """Raises RequestRefused, with nothing sent, where Nova is too old to be told the host (below 2.56)."""
        if not self._versions.has(COLD_TO_HOST):
            raise RequestRefused(
                f"Nova speaks 2.{self._versions.compute} only: below 2.{COLD_TO_HOST} a cold migration cannot be asked"
                " for to a named host",
                400,
            )
        self._act(instance, {"migrate": {"host": dest}})

    def confirm_resize(self, instance: str) -> None:
        """Give up what a cold migration left at its source. Nova refuses (409) where nothing waits for it."""
        self._act(instance, {"confirmResize": None})

    def revert_resize(self, instance: str) -> None:
        """Take a cold migration back. Nova refuses (409) where nothing waits for it."""
        self._act(instance, {"revertResize": None})

    def reset_state(self, instance: str) -> None:
        """Have Nova call the instance ACTIVE, whatever it is: only for one that is known to run on one host."""
        self._act(instance, {"os-resetState": {"state": "active"}})

    def evacuate(self, instance: str) -> None:
        """Nova's evacuate: rebuild an instance of a dead host on a host of the scheduler's choice, running or not as
        it was (which from 2.95 on Nova does not do: an older version is spoken). Nova refuses (400) while the
        host's service is up, and (409) in a state that it cannot rebuild."""
        version = self._versions.for_compute(EVACUATED_RUNS)
        self._api.ask_once("POST", f"/servers/{instance}/action", {"evacuate": {}}, microversion=version)

    def _act(self, instance: str, body: dict[str, object]) -> None:
        self._api.ask_once("POST", f"/servers/{instance}/action", body, microversion=self._newest)
