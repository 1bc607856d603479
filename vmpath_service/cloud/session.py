"""Authentication and endpoints, through openstacksdk's configuration and keystoneauth's session."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import InvalidInput

_NO_CLOUD = (
    "no cloud is configured: expected the name of a cloud in clouds.yaml, OS_* variables in the environment, or"
    " credentials in the configuration"
)
_BY_PASSWORD = frozenset((None, "password", "v3password"))
# A token that lives shorter than the margin is not replaced with every request.
_RENEWAL_PAUSE_S = 60.0
NAMES = {"compute": "Nova", "placement": "the Placement API", "network": "Neutron"}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, for sentences."""

    cloud: str
    user: str
    region: str | None


class CloudSession:
    """One cloud, as one user. Nothing is sent, and openstack not even imported, before it is first needed."""

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._region: Any = None
        self._renewed = -math.inf

    def identity(self) -> Identity:
        """Raises InvalidInput when no such cloud is configured."""
        region = self._configured()
        auth = region.config.get("auth") or {}
        name = auth.get("username") or auth.get("user_id") or auth.get("application_credential_id")
        project = auth.get("project_name") or auth.get("project_id")
        user = f"user {name!r}" if name else "the configured user"
        if project:
            user += f" (project {project!r})"
        return Identity(str(region.name or "of the environment"), user, region.get_region_name())

    def auth_url(self) -> str | None:
        """Where Keystone is said to be."""
        url = (self._configured().config.get("auth") or {}).get("auth_url")
        return None if url is None else str(url)

    def session(self) -> Any:
        """keystoneauth's session; raises InvalidInput when the credentials are incomplete."""
        from keystoneauth1 import exceptions as keystone
        from openstack import exceptions as sdk

        region = self._configured()
        with self._lock:
            try:
                session = region.get_session()
            except (keystone.ClientException, sdk.SDKException, OSError) as error:
                raise InvalidInput(f"the cloud {region.name!r} cannot be used as configured: {error}") from None
        # a time-out for what keystoneauth asks by itself (tokens, version documents)
        session.timeout = self._settings.connect_timeout_s + self._settings.read_timeout_s
        return session

    def access(self) -> Any:
        """What Keystone says of our token (keystoneauth's AccessInfo); None for credentials without Keystone.

        Raises what keystoneauth raises.
        """
        session = self.session()
        ask = getattr(session.auth, "get_access", None)
        return None if ask is None else ask(session)

    def renew_token(self) -> None:
        """Authenticate anew when the token has less than ``token_margin_s`` left, at most once a minute.

        Nova goes on with the token of a request for as long as the work takes that was asked for. Raises what
        keystoneauth raises.
        """
        margin = self._settings.token_margin_s
        session = self.session()
        auth = session.auth
        # a token that was given to us, or none at all, cannot be replaced
        if margin <= 0 or not getattr(auth, "reauthenticate", False):
            return
        with self._lock:
            now = time.monotonic()
            if now - self._renewed < _RENEWAL_PAUSE_S or not auth.get_access(session).will_expire_soon(margin):
                return
            auth.invalidate()
            auth.get_access(session)
            self._renewed = now

    def adapter(self, service: str) -> Any:
        """An adapter that never repeats a request by itself (except once, with a fresh token, after a 401)."""
        from keystoneauth1 import adapter

        region = self._configured()
        return adapter.Adapter(
            session=self.session(),
            service_type=region.get_service_type(service),
            service_name=region.get_service_name(service),
            interface=region.get_interface(service),
            region_name=region.get_region_name(service),
            endpoint_override=region.get_endpoint(service),
            connect_retries=0,
            status_code_retries=0,
            raise_exc=False,
        )

    def _configured(self) -> Any:
        with self._lock:
            if self._region is None:
                self._region = _configure(self._settings)
            return self._region


def _configure(settings: CloudSettings) -> Any:
    """The cloud's region as openstacksdk understands clouds.yaml, the environment or the given options."""
    import openstack.config
    from keystoneauth1 import exceptions as keystone
    from openstack import exceptions as sdk
    from openstack.config import loader

    overrides: dict[str, Any] = {"app_name": "vmpath"}
    for key, value in (
        ("region_name", settings.region),
        ("interface", settings.interface),
        ("cacert", settings.cacert),
        ("auth_type", settings.auth_type),
    ):
        if value is not None:
            overrides[key] = value
    if settings.insecure:
        overrides["verify"] = False
    if settings.cacert is not None and not Path(settings.cacert).is_file():
        raise InvalidInput(f"there is no file of CA certificates {settings.cacert!r}")
    # without a handler of its own, keystoneauth's warnings would go to stderr in programs that log nothing
    logging.getLogger("keystoneauth").addHandler(logging.NullHandler())
    explicit = bool(settings.auth)
    if explicit:
        overrides["auth"] = dict(settings.auth)
        if "application_credential_id" in settings.auth:
            overrides.setdefault("auth_type", "v3applicationcredential")
    files = list(settings.config_files) or None
    if not explicit:
        _check_yaml(files or loader.CONFIG_FILES)
    try:
        config = openstack.config.OpenStackConfig(
            config_files=files, load_yaml_config=not explicit, load_envvars=not explicit
        )
        region = config.get_one(cloud=None if explicit else settings.cloud, **overrides)
    except (sdk.SDKException, keystone.ClientException, OSError, ValueError) as error:
        if settings.cloud is not None and not explicit:
            where = ", ".join(files or loader.CONFIG_FILES)
            raise InvalidInput(f"there is no usable cloud {settings.cloud!r} in {where}: {error}") from None
        if not explicit and "auth_url" in str(error):
            raise InvalidInput(_NO_CLOUD) from None
        raise InvalidInput(f"the description of the cloud is wrong: {error}") from None
    auth = region.config.get("auth") or {}
    if not auth.get("auth_url"):
        raise InvalidInput(_NO_CLOUD)
    if region.config.get("auth_type") in _BY_PASSWORD and not auth.get("password") and not auth.get("token"):
        raise InvalidInput(f"the credentials of cloud {region.name!r} have no password")
    return region


def _check_yaml(files: Iterable[str]) -> None:
    """openstacksdk skips a file that is not YAML, and then does not find the cloud in it: say what is wrong."""
    import yaml

    for file in files:
        path = Path(file)
        if path.suffix not in (".yaml", ".yml") or not path.is_file():
            continue
        try:
            yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            # the error itself may quote the file, which has passwords in it
            mark = getattr(error, "problem_mark", None)
            place = f", line {mark.line + 1}" if mark is not None else ""
            raise InvalidInput(f"{file}{place}: this is not valid YAML") from None
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{file} cannot be read: {error}") from None
