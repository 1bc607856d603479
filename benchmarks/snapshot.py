"""How long a snapshot takes to be decoded, checked and compiled, and how much memory.

usage: python benchmarks/snapshot.py [--hosts 10000] [--instances 100000]

Prints CPU seconds, and each as a ratio to what Python's own json module needs to decode the same bytes: seconds
depend on the machine, ratios travel.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import TypeVar

from vmpath_service.model import files
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.simulator.sample import make_sample

Result = TypeVar("Result")


def timed(call: Callable[[], Result]) -> tuple[float, Result]:
    """CPU seconds of a call, and its result."""
    begun = time.process_time()
    result = call()
    return time.process_time() - begun, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--instances", type=int, default=100_000)
    given = parser.parse_args()
    data = files.encode(make_sample(given.hosts, given.instances, seed=1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    decoding, snapshot = timed(lambda: files.decode_snapshot(data, "sample"))
    compiling, cloud = timed(lambda: compile_cloud(snapshot))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    plain, _ = timed(lambda: json.loads(data))
    print(f"{given.hosts} hosts, {given.instances} instances, {len(data) / 1e6:.1f} MB, {len(cloud.classes)} classes")
    print(f"decoded and checked  {decoding:6.2f} s  {decoding / plain:5.2f} x json.loads")
    print(f"compiled             {compiling:6.2f} s  {compiling / plain:5.2f} x json.loads")
    print(f"memory               {after / 1024:6.0f} MB at most, {before / 1024:.0f} MB of it to make the sample")


if __name__ == "__main__":
    main()
