"""What can be chosen about a lab, read from the environment once and kept with its state."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

PREFIX = "VMPATH_LAB_"
REGION = "RegionOne"
#: where the versioned notifications go; nobody reads them by itself
NOTIFICATION_TOPIC = "vmpath_notifications"


class LabError(Exception):
    """Something the person at the terminal can act on; its text is the whole message."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Choices that the configuration files and the databases of a lab depend on."""

    keystone_port: int = 18500
    nova_port: int = 18774
    deferring_nova_port: int = 18775
    placement_port: int = 18778
    glance_port: int = 18292
    neutron_port: int = 18696
    rabbit_port: int = 18672
    rabbit_distribution_port: int = 18673
    epmd_port: int = 18674
    max_live_migrations: int = 2
    service_down_time: int = 10
    report_interval: int = 2
    host_vcpus: int = 16
    host_memory_mb: int = 32768
    host_disk_gb: int = 500
    password: str = "labpw"

    @property
    def keystone_url(self) -> str:
        return f"http://127.0.0.1:{self.keystone_port}/v3"

    @property
    def nova_url(self) -> str:
        return f"http://127.0.0.1:{self.nova_port}/v2.1"

    @property
    def deferring_nova_url(self) -> str:
        return f"http://127.0.0.1:{self.deferring_nova_port}/v2.1"

    @property
    def placement_url(self) -> str:
        return f"http://127.0.0.1:{self.placement_port}"

    @property
    def glance_url(self) -> str:
        return f"http://127.0.0.1:{self.glance_port}"

    @property
    def neutron_url(self) -> str:
        return f"http://127.0.0.1:{self.neutron_port}"

    @property
    def broker_url(self) -> str:
        return f"rabbit://guest:guest@127.0.0.1:{self.rabbit_port}/"

    def ports(self) -> dict[str, int]:
        """Every port the lab listens on, by the name of the process."""
        return {
            "epmd": self.epmd_port,
            "rabbit": self.rabbit_port,
            "keystone": self.keystone_port,
            "placement": self.placement_port,
            "glance": self.glance_port,
            "neutron": self.neutron_port,
            "nova-api": self.nova_port,
            "nova-api-deferring": self.deferring_nova_port,
        }

    @classmethod
    def from_environment(cls, base: Settings | None = None) -> Settings:
        """The settings of *base*, overridden by ``VMPATH_LAB_<NAME>`` variables."""
        changes: dict[str, int | str] = {}
        for field in dataclasses.fields(cls):
            variable = PREFIX + field.name.upper()
            text = os.environ.get(variable, "")
            if not text:
                continue
            if field.name == "password":
                if not text.isalnum():
                    raise LabError(f"{variable} may hold letters and digits only")
                changes[field.name] = text
                continue
            if not text.isdigit() or int(text) < 1:
                raise LabError(f"{variable} is {text!r}: expected a whole number above zero")
            if field.name.endswith("_port") and int(text) > 65535:
                raise LabError(f"{variable} is {text}: a port is at most 65535")
            changes[field.name] = int(text)
        return dataclasses.replace(base or cls(), **changes)  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where a lab keeps its things; everything below one directory."""

    base: Path

    @classmethod
    def from_environment(cls) -> Layout:
        return cls(Path(os.environ[PREFIX + "DIR"]))

    @property
    def venv(self) -> Path:
        return self.base / "venv"

    @property
    def run(self) -> Path:
        return self.base / "run"

    @property
    def logs(self) -> Path:
        return self.run / "log"

    @property
    def etc(self) -> Path:
        return self.run / "etc"

    @property
    def pids(self) -> Path:
        return self.run / "pids"

    @property
    def socket(self) -> Path:
        return self.run / "db" / "sock"

    @property
    def control(self) -> Path:
        return self.run / "control.json"

    @property
    def ports(self) -> Path:
        """What the stub of Neutron lists."""
        return self.run / "neutron.json"

    @property
    def clouds(self) -> Path:
        return self.base / "clouds.yaml"

    @property
    def saved_settings(self) -> Path:
        return self.run / "settings.json"

    def load_settings(self) -> Settings | None:
        """The settings of the lab as it was last brought up; None when it never was."""
        try:
            stored = json.loads(self.saved_settings.read_text())
        except FileNotFoundError:
            return None
        names = {field.name for field in dataclasses.fields(Settings)}
        return Settings(**{name: value for name, value in stored.items() if name in names})

    def save_settings(self, settings: Settings) -> None:
        self.saved_settings.write_text(json.dumps(dataclasses.asdict(settings), indent=1))
