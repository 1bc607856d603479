"""Planners that a planning process can import and that behave badly."""

from __future__ import annotations

import os
import time

from vmpath_service.engine.planning import Job
from vmpath_service.model.errors import InvalidFile


def never_ends(job: Job) -> bytes:
    time.sleep(3600)
    return b""


def never_ends_and_says_who_it_is(job: Job) -> bytes:
    """``job.policy`` is the file to write the process id to."""
    with open(job.policy, "w") as file:
        file.write(str(os.getpid()))
    return never_ends(job)


def dies(job: Job) -> bytes:
    os._exit(7)


def breaks(job: Job) -> bytes:
    raise KeyError(job.policy)


def complains(job: Job) -> bytes:
    raise InvalidFile("snapshot.json", "/hosts/3", "what is this?")
