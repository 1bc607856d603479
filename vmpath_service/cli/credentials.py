"""Proving who asks, once the service wants to know: a token of Keystone, or a name and a password."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from vmpath_service.model.errors import InvalidInput, VmpathError

SERVICE_TYPE = "rearrangement"
Question = Callable[[Any, str | None], str | None]
_NAME, _PASSWORD = "VMPATH_USERNAME", "VMPATH_PASSWORD"


class Credentials:
    """Nothing is imported, asked or sent before a service asks for it."""

    def __init__(self, cloud: str | None, environment: Mapping[str, str]) -> None:
        """``cloud``: a name of clouds.yaml; without it, the environment (OS_*) says as whom to ask Keystone."""
        self._cloud = cloud
        self._environment = environment

    def named(self) -> bool:
        """Whether somebody has said which cloud this is about."""
        return self._cloud is not None or any(map(self._environment.get, ("OS_CLOUD", "OS_AUTH_URL")))

    def prove(self, challenge: str) -> Mapping[str, str]:
        """The headers that answer WWW-Authenticate; raises VmpathError where there is nothing to answer with."""
        kind = challenge.partition(" ")[0].lower()
        if kind == "basic":
            return {"Authorization": f"Basic {self._name_and_password()}"}
        if kind == "keystone":
            return {"X-Auth-Token": self._token()}
        raise VmpathError(f"vmpath-service wants to know who asks in a way that is not known here: {challenge!r}")

    def endpoint(self) -> str | None:
        """Where the service catalogue says that the service is; None if it does not."""
        from keystoneauth1 import exceptions

        def look(session: Any, region: str | None) -> str | None:
            try:
                found: str | None = session.get_endpoint(
                    service_type=SERVICE_TYPE, interface="public", region_name=region
                )
            except exceptions.EndpointNotFound:
                return None
            return found

        return self._ask(look)

    def _name_and_password(self) -> str:
        name, password = (self._environment.get(each) for each in (_NAME, _PASSWORD))
        if not name or password is None:
            raise InvalidInput(f"vmpath-service wants a name and a password: set {_NAME} and {_PASSWORD}")
        return base64.b64encode(f"{name}:{password}".encode()).decode()

    def _token(self) -> str:
        token = self._ask(lambda session, _: session.get_token())
        if token is None:
            raise InvalidInput("vmpath-service wants a token of Keystone, and these credentials have none")
        return token

    def _ask(self, question: Question) -> str | None:
        from keystoneauth1 import exceptions

        from vmpath_service.cloud.session import CloudSession
        from vmpath_service.cloud.settings import CloudSettings

        cloud = CloudSession(CloudSettings(cloud=self._cloud))
        try:
            return question(cloud.session(), cloud.identity().region)
        except exceptions.ClientException as error:
            raise VmpathError(f"Keystone gives no token: {error}") from error
