"""What a decision may touch, and options of the policy, as arguments."""

from __future__ import annotations

import argparse

from vmpath_service.cli import arguments


def add_settings(parser: argparse.ArgumentParser) -> None:
    """``--set``: options of the policy."""
    parser.add_argument(
        "--set",
        type=arguments.assignment,
        action="append",
        default=[],
        dest="settings",
        metavar="OPTION=VALUE",
        help="an option of the policy; may be repeated",
    )


def add_scope(parser: argparse.ArgumentParser) -> None:
    """``--zone``, ``--aggregate``, ``--host``."""
    parser.add_argument("--zone", action="append", default=[], help="only hosts in this availability zone")
    parser.add_argument("--aggregate", action="append", default=[], help="only hosts in this aggregate")
    parser.add_argument(
        "--host", action="append", default=[], help="the hosts to empty (drain), else the only ones to touch"
    )
