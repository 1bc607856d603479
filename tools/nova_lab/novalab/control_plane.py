"""Brings the processes of the lab up in the order they need each other, and down again."""

from __future__ import annotations

import concurrent.futures
import datetime
import os
import pwd
import re
import shutil
import stat
import time
import urllib.error
import urllib.request
from pathlib import Path

from novalab import configuration, identity, processes
from novalab.settings import LabError, Layout, Settings

DATABASES = ("keystone", "placement", "glance", "nova", "nova_api", "nova_cell0")
#: how the processes are ended: groups, one after the other
STOP_ORDER = (
    ("computes",),
    ("nova-api", "nova-api-deferring", "scheduler", "conductor", "neutron", "glance", "placement", "keystone"),
    ("rabbit", "mariadb"),
    ("epmd",),
)
#: seconds a group may take; Nova's processes would wait far longer for what they have begun
STOP_PATIENCE = (2, 3, 20, 2)


class ControlPlane:
    """One lab: its layout on disk, its settings, its processes."""

    def __init__(self, layout: Layout, settings: Settings) -> None:
        self.layout = layout
        self.settings = settings
        self.cloud = identity.Cloud(settings)
        self._began = time.monotonic()
        self._bin = layout.venv / "bin"
        self._nova = layout.etc / "nova"
        self._environment = self._make_environment()

    def _make_environment(self) -> dict[str, str]:
        etc, settings = self.layout.etc, self.settings
        return {
            "PATH": f"{self._bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.layout.run / "home"),
            "PYTHONWARNINGS": "ignore",
            "NOVALAB_CONTROL": str(self.layout.control),
            "NOVALAB_VCPUS": str(settings.host_vcpus),
            "NOVALAB_MEMORY_MB": str(settings.host_memory_mb),
            "NOVALAB_DISK_GB": str(settings.host_disk_gb),
            "OS_KEYSTONE_CONFIG_FILES": f"{etc}/keystone/keystone.conf",
            "OS_KEYSTONE_CONFIG_DIR": f"{etc}/keystone",
            "OS_PLACEMENT_CONFIG_DIR": f"{etc}/placement",
            "OS_GLANCE_CONFIG_DIR": f"{etc}/glance",
            "OS_NOVA_CONFIG_DIR": f"{etc}/nova",
            "OS_NOVA_CONFIG_FILES": "api-paste.ini;nova.conf;nova-db.conf",
            "ERL_EPMD_PORT": str(settings.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def _say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:6.1f} s] {text}", flush=True)

    # -- up ---------------------------------------------------------------------------------

    def up(self, computes: int) -> None:
        """Start whatever does not run, wait until *computes* hosts are up; LabError if not."""
        self._check_ports()
        for directory in ("home", "db", "pids", "log"):
            (self.layout.run / directory).mkdir(parents=True, exist_ok=True)
        self.layout.save_settings(self.settings)
        configuration.install_driver(self.layout)
        configuration.write_services(self.layout, self.settings)
        configuration.write_client_files(self.layout, self.settings)
        self._start_broker()
        self._start_database()
        self._say("broker and database up")
        synced = self.layout.run / "db" / ".synced"
        known = synced.exists()
        if not known:
            self._make_schemas()
            synced.touch()
            self._say("schemas made")
        self._start_services()
        if known:  # by an earlier version of this program, perhaps
            identity.fill_identity(self.cloud, self.settings)
        self._say("APIs up")
        self._start_computes(computes)
        self._say(f"{computes} computes up")
        seeded = self.layout.run / "db" / ".seeded"
        if not seeded.exists():
            identity.fill_compute(self.cloud)
            seeded.touch()
        self._say(f"ready: OS_CLIENT_CONFIG_FILE={self.layout.clouds} OS_CLOUD=novalab")

    def running(self, computes: int) -> bool:
        """Whether everything runs and answers, with at least *computes* hosts up."""
        for name, port in self.settings.ports().items():
            if not processes.pid_of(self.layout, name) or not processes.listening(port):
                return False
        expected = ["mariadb", "conductor", "scheduler", "computes"]
        expected += [f"compute{number}" for number in range(1, computes + 1)]
        if not all(processes.pid_of(self.layout, name) for name in expected):
            return False
        if not (self.layout.run / "db" / ".seeded").exists():
            return False
        return not self.missing_computes(computes)

    def missing_computes(self, computes: int) -> set[str]:
        """Which of the first *computes* hosts are not up, or have not reported since their process began."""
        up = {entry["host"] for entry in self.cloud.compute_services() if entry["state"] == "up"}
        return self.silent_computes(computes) | ({f"compute{number}" for number in range(1, computes + 1)} - up)

    def silent_computes(self, computes: int) -> set[str]:
        """Which of the first *computes* hosts have not reported since their process began.

        A change of the service counts as a report: to be asked before one is changed.
        """
        heard = {
            entry["host"]
            for entry in self.cloud.compute_services()
            if _epoch(entry["updated_at"]) > processes.started_at(self.layout, entry["host"])
        }
        return {f"compute{number}" for number in range(1, computes + 1)} - heard

    def _check_ports(self) -> None:
        for name, port in self.settings.ports().items():
            if not processes.pid_of(self.layout, name) and processes.listening(port):
                variable = "VMPATH_LAB_" + _PORT_VARIABLES[name]
                raise LabError(
                    f"port {port} of {name} is taken by another program:"
                    f" end that or set {variable} to a free port"
                )

    def _start(self, name: str, *command: str | Path, **more: str) -> None:
        processes.start(self.layout, name, command, {**self._environment, **more})

    def _run(self, log: str, *command: str | Path) -> None:
        processes.run(self.layout, log, command, self._environment)

    def _wait(self, name: str, ready: object, seconds: float = 120) -> None:
        assert callable(ready)
        processes.wait_until(ready, seconds, name, self.layout, name)

    def _start_broker(self) -> None:
        settings, rabbit = self.settings, self.layout.run / "rabbit"
        for directory in ("mnesia", "log"):
            (rabbit / directory).mkdir(parents=True, exist_ok=True)
        (rabbit / "plugins").write_text("[].\n")
        (rabbit / "rabbitmq.conf").write_text(
            "loopback_users.guest = true\n"
            "vm_memory_high_watermark.absolute = 1GB\n"
            "disk_free_limit.absolute = 50MB\n"
        )
        self._start("epmd", "epmd", "-address", "127.0.0.1", "-port", str(settings.epmd_port))
        self._wait("epmd", lambda: processes.listening(settings.epmd_port))
        self._start(
            "rabbit",
            "/usr/lib/rabbitmq/bin/rabbitmq-server",
            RABBITMQ_NODENAME="novalab@localhost",
            RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
            RABBITMQ_NODE_PORT=str(settings.rabbit_port),
            RABBITMQ_DIST_PORT=str(settings.rabbit_distribution_port),
            RABBITMQ_MNESIA_BASE=str(rabbit / "mnesia"),
            RABBITMQ_LOG_BASE=str(rabbit / "log"),
            RABBITMQ_CONFIG_FILE=str(rabbit / "rabbitmq.conf"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(rabbit / "plugins"),
            RABBITMQ_CONF_ENV_FILE="/dev/null",
            RABBITMQ_PID_FILE=str(rabbit / "pid"),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=(
                "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        )

    def _start_database(self) -> None:
        data = self.layout.run / "db" / "data"
        user = pwd.getpwuid(os.getuid()).pw_name
        made = self.layout.run / "db" / ".installed"
        if not made.exists():
            shutil.rmtree(data, ignore_errors=True)
            self._run(
                "mariadb-install",
                "mariadb-install-db",
                "--no-defaults",
                f"--user={user}",
                "--skip-test-db",
                "--auth-root-authentication-method=normal",
                f"--datadir={data}",
            )
            made.touch()
        self._start(
            "mariadb",
            "mariadbd",
            "--no-defaults",
            f"--user={user}",
            f"--datadir={data}",
            f"--socket={self.layout.socket}",
            f"--pid-file={self.layout.run / 'db' / 'pid'}",
            "--skip-networking",
            "--skip-log-bin",
            "--innodb-buffer-pool-size=256M",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
            "--innodb-flush-method=nosync",
            "--performance-schema=0",
            "--max-connections=1000",
            "--character-set-server=utf8mb3",
        )
        self._wait("mariadb", self._database_answers)
        self._wait("rabbit", lambda: processes.listening(self.settings.rabbit_port))

    def _sql(self, statement: str) -> None:
        client = ("mariadb", "--no-defaults", "-uroot", "-S", self.layout.socket, "-e", statement)
        self._run("mariadb-client", *client)

    def _database_answers(self) -> bool:
        try:
            self._sql("SELECT 1")
        except LabError:
            return False
        return True

    def _make_schemas(self) -> None:
        """Both halves at once, from empty databases: half a schema cannot be completed."""
        processes.stop(self.layout, ["keystone"], patience=3)
        for name in DATABASES:
            self._sql(
                f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name} CHARACTER SET utf8mb3"
            )
        with concurrent.futures.ThreadPoolExecutor() as pool:
            halves = [pool.submit(self._make_small_schemas), pool.submit(self._make_nova_schema)]
            for half in halves:
                half.result()

    def _make_small_schemas(self) -> None:
        etc, settings = self.layout.etc, self.settings
        keystone = (self._bin / "keystone-manage", "--config-file", etc / "keystone/keystone.conf")
        # keystone-manage asks root, and only root, whom the keys shall belong to
        owner = ("--keystone-user", "root", "--keystone-group", "root") if not os.getuid() else ()
        (self.layout.run / "keystone").mkdir(exist_ok=True)
        for command in ("fernet_setup", "credential_setup"):
            self._run("keystone-setup", *keystone, command, *owner)
        self._run("keystone-setup", *keystone, "db_sync")
        self._run(
            "keystone-setup",
            *keystone,
            "bootstrap",
            "--bootstrap-password",
            settings.password,
            "--bootstrap-region-id",
            "RegionOne",
            *(
                word
                for interface in ("admin", "public", "internal")
                for word in (f"--bootstrap-{interface}-url", settings.keystone_url)
            ),
        )
        placement = ("--config-file", etc / "placement/placement.conf")
        self._run("placement-setup", self._bin / "placement-manage", *placement, "db", "sync")
        glance = ("--config-file", etc / "glance/glance-api.conf")
        self._run("glance-setup", self._bin / "glance-manage", *glance, "db_sync")
        self._start_keystone()
        identity.fill_identity(self.cloud, settings)

    def _make_nova_schema(self) -> None:
        self._nova_manage("api_db", "sync")
        cell0 = configuration.database_url(self.layout, "nova_cell0")
        self._nova_manage("cell_v2", "map_cell0", "--database_connection", cell0)
        self._nova_manage("db", "sync")
        listing = self.layout.logs / "cells.log"
        listing.unlink(missing_ok=True)
        self._run("cells", *self._nova_manage_command(), "cell_v2", "list_cells")
        if not re.search(r"\bcell1\b", listing.read_text()):
            self._nova_manage("cell_v2", "create_cell", "--name", "cell1")

    def _nova_manage_command(self) -> tuple[str | Path, ...]:
        return (self._bin / "nova-manage", *self._nova_files())

    def _nova_files(self) -> tuple[str | Path, ...]:
        files = (self._nova / "nova.conf", self._nova / "nova-db.conf")
        return tuple(word for file in files for word in ("--config-file", file))

    def _nova_manage(self, *words: str) -> None:
        self._run("nova-setup", *self._nova_manage_command(), *words)

    def _start_api(self, name: str, threads: int, module: str, **more: str) -> None:
        port = self.settings.ports()[name]
        file = configuration.write_gunicorn(self.layout, name, port, threads, module)
        self._start(name, self._bin / "gunicorn", GUNICORN_CMD_ARGS=f"-c {file}", **more)

    def _start_keystone(self) -> None:
        self._start_api("keystone", 8, "keystone.wsgi.api")
        self._wait("keystone", lambda: _answers(self.settings.keystone_url))

    def _start_services(self) -> None:
        logs = self.layout.logs
        python = self._bin / "python"
        self._start_keystone()
        self._start_api("placement", 8, "placement.wsgi.api")
        self._start_api("glance", 4, "glance.wsgi.api")
        stub = Path(__file__).with_name("neutron_stub.py")
        self._start("neutron", python, stub, str(self.settings.neutron_port), self.layout.ports)
        for name in ("conductor", "scheduler"):
            program = self._bin / f"nova-{name}"
            log = ("--log-file", logs / f"{name}.log")
            self._start(name, program, *self._nova_files(), *log)
        self._start_api("nova-api", 12, "nova.wsgi.osapi_compute")
        files = self._environment["OS_NOVA_CONFIG_FILES"] + ";nova-deferring.conf"
        self._start_api("nova-api-deferring", 2, "nova.wsgi.osapi_compute", OS_NOVA_CONFIG_FILES=files)
        for name, url in (
            ("placement", self.settings.placement_url),
            ("nova-api", self.settings.nova_url.removesuffix("/v2.1")),
            ("nova-api-deferring", self.settings.deferring_nova_url.removesuffix("/v2.1")),
            ("glance", self.settings.glance_url),
            ("neutron", self.settings.neutron_url),
        ):
            self._wait(name, lambda url=url: _answers(url))

    # -- computes ---------------------------------------------------------------------------

    def _start_computes(self, count: int) -> None:
        for number in range(1, count + 1):
            configuration.write_compute(self.layout, self.settings, number)
            self.start_compute(number)
        processes.wait_until(
            lambda: not self.missing_computes(count), 180, f"{count} computes", self.layout
        )
        mapped = self.layout.run / "db" / ".mapped"
        if not mapped.exists() or int(mapped.read_text()) < count:
            self._nova_manage("cell_v2", "discover_hosts")
            mapped.write_text(str(count))

    def start_compute(self, number: int) -> None:
        """Have nova-compute *number* running; returns when its process exists."""
        name = f"compute{number}"
        if processes.pid_of(self.layout, name):
            return
        configuration.write_compute(self.layout, self.settings, number)
        pipe = self.layout.run / "computes.ctl"
        if not processes.pid_of(self.layout, "computes"):
            pipe.unlink(missing_ok=True)
        forker = Path(__file__).with_name("computes.py")
        self._start(
            "computes",
            self._bin / "python",
            forker,
            self.layout.run,
            self._nova / "nova.conf",
            PYTHONPATH=str(forker.parent.parent),
        )
        self._wait("computes", lambda: _is_pipe(pipe))
        with open(pipe, "w") as control:
            control.write(f"start {number}\n")
        processes.wait_until(
            lambda: processes.pid_of(self.layout, name) is not None, 30, name, self.layout
        )

    def compute_numbers(self) -> list[int]:
        """The numbers of every compute this lab has been given, running or not."""
        found = self._nova.glob("compute*.conf")
        return sorted(int(path.stem.removeprefix("compute")) for path in found)

    # -- down -------------------------------------------------------------------------------

    def down(self) -> None:
        """End everything the lab started, in order."""
        for group, patience in zip(STOP_ORDER, STOP_PATIENCE, strict=True):
            members = [
                name
                for name in processes.names(self.layout)
                if name in group or (group == ("computes",) and name.startswith("compute"))
            ]
            processes.stop(self.layout, members, patience)
        (self.layout.run / "computes.ctl").unlink(missing_ok=True)


_PORT_VARIABLES = {
    "epmd": "EPMD_PORT",
    "rabbit": "RABBIT_PORT",
    "keystone": "KEYSTONE_PORT",
    "placement": "PLACEMENT_PORT",
    "glance": "GLANCE_PORT",
    "neutron": "NEUTRON_PORT",
    "nova-api": "NOVA_PORT",
    "nova-api-deferring": "DEFERRING_NOVA_PORT",
}


def _epoch(text: str | None) -> float:
    """Seconds since 1970 of a time as Nova writes it, in UTC; 0 when there is none."""
    if not text:
        return 0.0
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except FileNotFoundError:
        return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True  # an error page is an answer too
    except OSError:
        return False
