"""Arguments that the programs share."""

from __future__ import annotations

import argparse


def add_configuration_files(parser: argparse.ArgumentParser) -> None:
    """``--config-file`` and ``--config-dir``, as lists of texts."""
    parser.add_argument(
        "--config-file",
        metavar="FILE",
        action="append",
        default=[],
        help="a configuration file; may be repeated (default: /etc/vmpath/vmpath.conf and /etc/vmpath/policies.d)",
    )
    parser.add_argument(
        "--config-dir",
        metavar="DIRECTORY",
        action="append",
        default=[],
        help="a directory of configuration files (.conf, .ini); may be repeated",
    )
