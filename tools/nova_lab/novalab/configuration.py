"""Writes every configuration file of the lab from the templates in ``../conf``."""

from __future__ import annotations

import json
import re
import shutil
import uuid
from pathlib import Path

from novalab.identity import RESTRICTED
from novalab.settings import NOTIFICATION_TOPIC, REGION, LabError, Layout, Settings

TEMPLATES = Path(__file__).parent.parent / "conf"
#: from this host what is shelved is not offloaded by itself, from all others at once
KEEPS_SHELVED = "compute2"
#: the samples that operators are given, so that the lab proves them
POLICIES = Path(__file__).parents[3] / "etc" / "vmpath" / "openstack"


def database_url(layout: Layout, name: str) -> str:
    """SQLAlchemy's address of the database *name*."""
    return f"mysql+pymysql://root@localhost/{name}?unix_socket={layout.socket}&charset=utf8"


def _render(template: str, target: Path, values: dict[str, str]) -> None:
    text = (TEMPLATES / template).read_text()
    rendered = re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], text)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(rendered)


def write_services(layout: Layout, settings: Settings) -> None:
    """Configuration of everything but the computes."""
    values = _values(layout, settings)
    _render("keystone.conf.in", layout.etc / "keystone" / "keystone.conf", values)
    _render("placement.conf.in", layout.etc / "placement" / "placement.conf", values)
    _render("glance-api.conf.in", layout.etc / "glance" / "glance-api.conf", values)
    _render("nova.conf.in", layout.etc / "nova" / "nova.conf", values)
    _render("nova-db.conf.in", layout.etc / "nova" / "nova-db.conf", values)
    _render("nova-deferring.conf.in", layout.etc / "nova" / "nova-deferring.conf", values)
    shutil.copy(layout.venv / "etc" / "nova" / "api-paste.ini", layout.etc / "nova")
    for name in ("lock", "nova", "glance/images", "glance/staging", "glance/tasks"):
        (layout.run / name).mkdir(parents=True, exist_ok=True)
    if not layout.control.exists():
        layout.control.write_text("{}\n")


def write_compute(layout: Layout, settings: Settings, number: int) -> None:
    """Configuration and identity of one nova-compute."""
    host = f"compute{number}"
    _render(
        "compute.conf.in",
        layout.etc / "nova" / f"{host}.conf",
        {
            **_values(layout, settings),
            "HOST": host,
            "SHELVED_OFFLOAD_TIME": "-1" if host == KEEPS_SHELVED else "0",
        },
    )
    for parent in ("nova", "lock"):
        (layout.run / parent / host).mkdir(parents=True, exist_ok=True)
    # Nova refuses to start a compute again whose node identity file is missing
    identity = layout.run / "nova" / host / "compute_id"
    if not identity.exists():
        identity.write_text(str(uuid.uuid5(uuid.NAMESPACE_DNS, f"novalab.{host}")))


def _values(layout: Layout, settings: Settings) -> dict[str, str]:
    return {
        "RUN": str(layout.run),
        "LOG": str(layout.logs),
        "VENV": str(layout.venv),
        "POLICIES": str(POLICIES),
        "DB": "mysql+pymysql://root@localhost",
        "SOCKET": str(layout.socket),
        "KEYSTONE_URL": settings.keystone_url,
        "GLANCE_URL": settings.glance_url,
        "NEUTRON_URL": settings.neutron_url,
        "BROKER_URL": settings.broker_url,
        "NOTIFICATION_TOPIC": NOTIFICATION_TOPIC,
        "PASSWORD": settings.password,
        "MAX_LIVE_MIGRATIONS": str(settings.max_live_migrations),
        "SERVICE_DOWN_TIME": str(settings.service_down_time),
        "REPORT_INTERVAL": str(settings.report_interval),
    }


def write_gunicorn(layout: Layout, name: str, port: int, threads: int, module: str) -> Path:
    """Settings of one API server; in a file because keystone reads the command line itself."""
    target = layout.etc / "gunicorn" / f"{name}.py"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(
        f"wsgi_app = '{module}:application'\n"
        f"bind = '127.0.0.1:{port}'\n"
        f"threads = {threads}\n"
        "workers = 1\n"
        "timeout = 300\n"
        "keepalive = 30\n"
        "control_socket_disable = True\n"
        f"proc_name = 'vmpath-lab-{name}'\n"
    )
    return target


def write_client_files(layout: Layout, settings: Settings) -> None:
    """clouds.yaml (JSON, which is YAML): the administrator, an ordinary user, vmpath's rights."""
    clouds = {
        cloud: {
            "auth": {
                "auth_url": settings.keystone_url,
                "username": user,
                "password": settings.password,
                "project_name": user,
                "user_domain_id": "default",
                "project_domain_id": "default",
            },
            "region_name": REGION,
            "identity_api_version": 3,
        }
        for cloud, user in (
            ("novalab", "admin"),
            ("novalab-demo", "demo"),
            ("novalab-vmpath", RESTRICTED),
        )
    }
    layout.clouds.write_text(json.dumps({"clouds": clouds}, indent=2) + "\n")


def install_driver(layout: Layout) -> None:
    """Put the virtual hypervisor where Nova looks: it loads drivers from nova.virt only."""
    places = list(layout.venv.glob("lib/python3*/site-packages/nova/virt"))
    if not places:
        raise LabError(f"no Nova in {layout.venv}: remove that directory and run 'lab up' again")
    source = Path(__file__).with_name("driver.py")
    for place in places:
        target = place / "novalab.py"
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copyfile(source, target)
