"""Finding the service."""

from __future__ import annotations

import os

from vmpath_service.cli.client import Client, NothingAnswers
from vmpath_service.cli.credentials import SERVICE_TYPE, Credentials
from vmpath_service.model.errors import VmpathError

DEFAULT_URL = "http://127.0.0.1:9817"


def connect(url: str | None, cloud: str | None) -> Client:
    """A client of the service at ``url``; without one, of what answers on this machine, else of the service that
    the catalogue of the cloud names, where a cloud is named (``cloud``, or the environment).

    Raises VmpathError.
    """
    credentials = Credentials(cloud, os.environ)
    if url is not None:
        return Client(url, credentials)
    tried = ""
    if cloud is None:
        here = Client(DEFAULT_URL, credentials)
        try:
            here.check()
        except NothingAnswers:
            if not credentials.named():
                raise
            tried = f"nothing answers at {DEFAULT_URL}, and "
        else:
            return here
    found = credentials.endpoint()
    if found is None:
        raise VmpathError(
            f"{tried}the service catalogue has no service of type {SERVICE_TYPE!r}: start vmpath-service, or name its "
            "address with --vmpath-url or VMPATH_URL"
        )
    return Client(found, credentials)
