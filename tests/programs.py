"""vmpath's programs as a user starts them: the daemon and the command line, in processes of their own."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import requests

if TYPE_CHECKING:
    from vmpath_service.simulator.cloud import SimulatedCloud

BIN = pathlib.Path(sys.executable).parent
SERVICE = (str(BIN / "vmpath-service"),)
READY_SECONDS = 120.0
STOP_SECONDS = 90.0
COMMAND_SECONDS = 600.0
QUICK: Mapping[str, Mapping[str, object]] = {
    "executor": {"poll_seconds": 0.1, "settle_seconds": 0.3, "request_settle_seconds": 2}
}
"""Settings for tests on a simulated cloud, which do not want to wait."""


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(seek: Callable[[], Any], what: str, seconds: float = 120.0) -> Any:
    """The first true answer of ``seek``; AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := seek()):
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.05)
    return found


def ini(sections: Mapping[str, Mapping[str, object]]) -> str:
    """The text of an ini file."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{option} = {value}\n" for option, value in options.items())
        for name, options in sections.items()
    )


def launched(words: list[str], environment: Mapping[str, str], log: pathlib.Path) -> subprocess.Popen[bytes]:
    """A program that writes to ``log``."""
    with log.open("ab") as output:
        return subprocess.Popen(words, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL)


class Service:
    """A ``vmpath-service`` with its state in ``directory``, on the cloud ``cloud`` of a clouds.yaml file.

    ``sections`` are added to its configuration file. It may be killed and started again. ``launch`` makes the process,
    a ``subprocess.Popen`` or what can be used like one.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        clouds_file: pathlib.Path,
        cloud: str,
        sections: Mapping[str, Mapping[str, object]] | None = None,
        launch: Callable[[list[str], Mapping[str, str], pathlib.Path], Any] = launched,
    ) -> None:
        self.directory = directory
        self._launch = launch
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = directory / "service.log"
        self.configuration = directory / "vmpath.conf"
        merged: dict[str, dict[str, object]] = {
            "DEFAULT": {"state_path": directory / "state"},
            "api": {"bind_port": self.port},
            "nova": {"cloud": cloud},
        }
        for name, options in (sections or {}).items():
            merged.setdefault(name, {}).update(options)
        self.configuration.write_text(ini(merged))
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("OS_", "VMPATH_"))
        } | {"OS_CLIENT_CONFIG_FILE": str(clouds_file), "VMPATH_URL": self.url}
        self.process: Any = None

    def start(self, program: Sequence[str] = SERVICE) -> None:
        """Start it, or ``program`` in its place, and return once it answers."""
        self.process = self._launch([*program, "--config-file", str(self.configuration)], self.environment, self.log)

        def answers() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"vmpath-service ended:\n{self._logged()}"
            try:
                return requests.get(f"{self.url}/healthcheck", timeout=5).status_code == 200
            except requests.RequestException:
                return False

        wait_until(answers, "vmpath-service answers", READY_SECONDS)

    def attempt(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``vmpath-service WORDS`` where it ends by itself: it only checks, or cannot start."""
        return self._run([*SERVICE, "--config-file", str(self.configuration), *words], READY_SECONDS)

    def kill(self) -> None:
        """SIGKILL: nothing of it gets to clean up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def end(self) -> None:
        """Have it ended, whatever became of it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(STOP_SECONDS)
                raise

    def command(self, *words: str, seconds: float = COMMAND_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run ``vmpath WORDS`` against it."""
        return self._run([str(BIN / "vmpath"), *words], seconds)

    def answer(self, *words: str, expected: int = 0, seconds: float = COMMAND_SECONDS) -> Any:
        """What ``vmpath WORDS -f json`` prints; AssertionError unless it exits with ``expected``."""
        done = self.command(*words, "-f", "json", seconds=seconds)
        assert done.returncode == expected, (
            f"vmpath {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}\n{self._logged()[-5000:]}"
        )
        return json.loads(done.stdout) if done.stdout.strip() else None

    def _logged(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def _run(self, words: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def write_clouds(directory: pathlib.Path, cloud: SimulatedCloud) -> pathlib.Path:
    """A clouds.yaml for a simulated cloud."""
    path = directory / "clouds.yaml"
    path.write_text(cloud.clouds_yaml_text())
    return path


def service_on(directory: pathlib.Path, cloud: SimulatedCloud, **more: Mapping[str, object]) -> Service:
    """A quick service on a simulated cloud, not started yet; ``more`` sections for its configuration."""
    sections = {name: dict(options) for name, options in QUICK.items()}
    for name, options in more.items():
        sections.setdefault(name, {}).update(options)
    return Service(directory, write_clouds(directory, cloud), "simulated", sections)
