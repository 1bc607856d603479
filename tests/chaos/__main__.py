"""usage: python -m tests.chaos [--seed N] [--first N] [--runs N] [--directory DIR]

Rearrangements in a cloud where everything goes wrong. Exit status 1 if anything was lost, doubled, stuck or told
falsely.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.campaign import run


def main() -> int:
    """Run, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="what chance starts from (1)")
    parser.add_argument("--first", type=int, default=0, help="the number of the rearrangement to begin with (0)")
    parser.add_argument("--runs", type=int, default=200, help="how many rearrangements (200)")
    parser.add_argument("--directory", type=Path, help="where states and logs are kept (default: nowhere)")
    parsed = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        place = parsed.directory or Path(scratch)
        tally = run(parsed.runs, parsed.seed, place, lambda line: print(line, flush=True), parsed.first)
    for line in tally.wrong():
        print(line)
    print(f"{tally.summary()} (seed {parsed.seed}, {time.monotonic() - began:.0f} s)")
    return 1 if tally.wrong() else 0


if __name__ == "__main__":
    sys.exit(main())
