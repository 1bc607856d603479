"""``webhook``: an address that is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from vmpath_service.hooks.base import Hook
from vmpath_service.model.errors import HookFailed, InvalidInput
from vmpath_service.model.options import Option, OptionValue


class WebHook(Hook):
    """Sends the occasion as JSON in a POST request. It has failed unless the answer's status is 2xx.

    The address may have a secret in it: it is never told, only the host's name is.
    """

    name = "webhook"
    summary = "Sends the occasion as JSON to an address."
    options = (
        Option("url", "string", "Where to, such as https://example.org/vmpath."),
        Option("token", "string", "Sent as Authorization: Bearer, if set."),
    )

    def __init__(self, settings: Mapping[str, OptionValue]) -> None:
        super().__init__(settings)
        parts = urlsplit(str(settings["url"] or ""))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput("option url: expected an address that begins with http:// or https://")
        self._where = parts.hostname

    def run(self, occasion: Mapping[str, Any]) -> None:
        import requests

        headers = {"Content-Type": "application/json"}
        if self.settings["token"]:
            headers["Authorization"] = f"Bearer {self.settings['token']}"
        try:
            answer = requests.post(
                str(self.settings["url"]),
                data=msgspec.json.encode(dict(occasion)),
                headers=headers,
                timeout=(min(10.0, self.timeout()), self.timeout()),
                allow_redirects=False,
            )
        except requests.Timeout as error:
            raise HookFailed(f"{self._where} did not answer within {self.timeout():g} s") from error
        except requests.RequestException as error:
            # its text may quote the address
            raise HookFailed(f"{self._where} cannot be reached ({type(error).__name__})") from None
        if not 200 <= answer.status_code < 300:
            raise HookFailed(f"{self._where} answered with status {answer.status_code}")
