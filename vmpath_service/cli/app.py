"""The ``vmpath`` program: global options, looking up commands, turning errors into exit statuses."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from cliff import app

from vmpath_service.cli.command import Parser
from vmpath_service.cli.commands import CommandTable
from vmpath_service.cli.wiring import Wiring
from vmpath_service.model.errors import InvalidInput, NotFound, VmpathError

_INTERRUPTED = 130
_PIPE_BROKEN = 141


def _heed_termination() -> Any:
    """From now on SIGTERM ends what goes on as an interrupt does, so that nothing half done is left behind; what held
    before is returned, None where that cannot be said."""

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise SystemExit(128 + number)

    # only the main thread is told of signals
    if threading.current_thread() is not threading.main_thread():
        return None
    if signal.getsignal(signal.SIGTERM) in (None, signal.SIG_IGN):
        return None
    return signal.signal(signal.SIGTERM, end)


def exit_status(error: Exception) -> int:
    """2 for what was asked wrongly, 1 for what went wrong."""
    return 2 if isinstance(error, (InvalidInput, NotFound)) else 1


class Application(app.App):
    """vmpath finds the path of live migrations from one placement of instances to another, and walks it."""

    NAME = "vmpath"

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        super().__init__(
            description=self.__doc__,
            version=None,
            command_manager=CommandTable(),
        )

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: dict[str, Any] | None = None
    ) -> argparse.ArgumentParser:
        parser = Parser(
            prog=self.NAME,
            description=description,
            add_help=False,
            usage="vmpath [options] COMMAND [arguments]",
        )
        parser.add_argument("-h", "--help", action="store_true", help="show this text and exit")
        parser.add_argument("--version", action="store_true", help="show the version and exit")
        loudness = parser.add_mutually_exclusive_group()
        loudness.add_argument(
            "-v", "--verbose", action="count", dest="verbose_level", default=1, help="log more; may be repeated"
        )
        loudness.add_argument(
            "-q", "--quiet", action="store_const", const=0, dest="verbose_level", help="log errors only"
        )
        parser.add_argument("--log-file", metavar="FILE", help="log to this file as well")
        parser.add_argument("--debug", action="store_true", help="show tracebacks")
        parser.add_argument(
            "--vmpath-url",
            metavar="URL",
            default=os.environ.get("VMPATH_URL") or None,
            help="where vmpath-service listens (environment: VMPATH_URL; default: this machine, else what the service "
            "catalogue of the cloud says)",
        )
        parser.add_argument(
            "--os-cloud",
            metavar="NAME",
            help="the cloud in clouds.yaml: whose Keystone knows who asks, and for commands that read the cloud "
            "directly (default: what the configuration says, else the environment: OS_CLOUD, OS_AUTH_URL and so on)",
        )
        parser.add_argument(
            "--config-file", metavar="FILE", action="append", default=[], help="a configuration file; may be repeated"
        )
        parser.add_argument(
            "--config-dir", metavar="DIR", action="append", default=[], help="a directory of *.conf and *.ini files"
        )
        return parser

    def configure_logging(self) -> None:
        """Our own messages are not logged but told; the log is for those who ask for it."""
        root = logging.getLogger()
        level = {0: logging.ERROR, 1: logging.WARNING, 2: logging.INFO}.get(self.options.verbose_level, logging.DEBUG)
        console = logging.StreamHandler(self.stderr)
        console.setLevel(level)
        console.setFormatter(logging.Formatter("vmpath: %(name)s: %(message)s"))
        root.addHandler(console)
        if self.options.log_file:
            try:
                file = logging.FileHandler(self.options.log_file)
            except OSError as error:
                raise InvalidInput(f"{self.options.log_file}: cannot be written: {error.strerror}") from error
            file.setFormatter(logging.Formatter(self.LOG_FILE_MESSAGE_FORMAT))
            root.addHandler(file)
            level = min(level, logging.INFO)
        root.setLevel(level)

    def run(self, argv: Sequence[str]) -> int:
        """Parse, look up, run; the exit status."""
        self.interactive_mode = False
        before = _heed_termination()
        try:
            self.options, rest = self.parser.parse_known_args(list(argv))
            return self._answer(rest)
        except KeyboardInterrupt:
            self.stderr.write("vmpath: interrupted\n")
            return _INTERRUPTED
        except BrokenPipeError:
            # whoever read our output has gone; what is still buffered must not complain at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _PIPE_BROKEN
        except VmpathError as error:
            if self.options.debug:
                raise
            self.stderr.write(f"vmpath: {' '.join(str(error).split())}\n")
            return exit_status(error)
        finally:
            if before is not None:
                signal.signal(signal.SIGTERM, before)

    def _answer(self, rest: list[str]) -> int:
        self.configure_logging()
        if self.options.version:
            from importlib import metadata

            self.stdout.write(f"vmpath {metadata.version('vmpath')}\n")
            return 0
        if self.options.help and not rest:
            self._print_help(self.stdout)
            return 0
        if not rest:
            self._print_help(self.stderr)
            return 2
        return self.run_subcommand([*rest, "--help"] if self.options.help else rest)

    def run_subcommand(self, argv: list[str]) -> int:
        """Run one command; errors pass through."""
        factory, name, arguments = self.command_manager.find_command(argv)
        command = factory(self, self.options, cmd_name=name)
        parsed = command.get_parser(f"{self.NAME} {name}").parse_args(arguments)
        try:
            return command.run(parsed)
        finally:
            self.stdout.flush()

    def _print_help(self, stream: Any) -> None:
        self.parser.print_help(stream)
        stream.write("\ncommands:\n")
        names = sorted(name for name, _ in self.command_manager if name != "help")
        width = max(map(len, names))
        for name in names:
            factory, _, _ = self.command_manager.find_command(name.split())
            first = (factory.__doc__ or "").strip().split("\n")[0].rstrip(".")
            stream.write(f"  {name:<{width}}  {first}\n")
