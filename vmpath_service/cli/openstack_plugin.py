"""The plug-in of the ``openstack`` client: our commands under ``openstack rearrangement``, ``openstack maintenance``
and so on, with the client's own credentials.

The names are those that the client expects of a plug-in.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import Any

from vmpath_service.cli.client import Client
from vmpath_service.cli.credentials import SERVICE_TYPE
from vmpath_service.model.errors import VmpathError

API_NAME = "vmpath"
API_VERSION_OPTION = "os_vmpath_api_version"
API_VERSIONS = ("1",)
DEFAULT_API_VERSION = "1"


class SessionCredentials:
    """The token of a keystoneauth session."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def prove(self, challenge: str) -> Mapping[str, str]:
        if not challenge.lower().startswith("keystone"):
            raise VmpathError(f"vmpath-service does not take tokens of Keystone (it says {challenge!r}): use vmpath")
        return {"X-Auth-Token": self._session.get_token()}


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add our global options."""
    parser.add_argument(
        "--vmpath-url",
        metavar="<url>",
        default=os.environ.get("VMPATH_URL") or None,
        help="Where vmpath-service listens (Env: VMPATH_URL; default: what the service catalogue says)",
    )
    return parser


def make_client(instance: Any) -> Client:
    """A client for ``instance.vmpath`` (``instance``: the client manager); raises VmpathError where there is no
    service."""
    url = instance._cli_options.config.get("vmpath_url") or instance.get_endpoint_for_service_type(
        SERVICE_TYPE, region_name=instance.region_name, interface=instance.interface
    )
    if not url:
        raise VmpathError(
            f"the service catalogue has no service of type {SERVICE_TYPE!r}: name the address of vmpath-service with "
            "--vmpath-url or VMPATH_URL"
        )
    return Client(url, SessionCredentials(instance.session))
