"""Planners that a planning process can import and that behave badly."""

from __future__ import annotations

import os
import time

from vmpath_service.engine.planning import Job
from vmpath_service.model.errors import InvalidFile


def never_ends(job: Job) -> bytes:
    time.sleep(3600)
    return b""


def dies(job: Job) -> bytes:
    os._exit(7)


def breaks(job: Job) -> bytes:
    raise KeyError(job.policy)


def complains(job: Job) -> bytes:
    raise InvalidFile("snapshot.json", "/hosts/3", "what is this?")
