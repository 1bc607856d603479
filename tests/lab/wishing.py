"""vmpath on the lab, moving where a file says: how it is configured, asked, and listened to."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import requests

from tests.programs import Service, wait_until

ENDLESS = {"lab_bw": "100", "lab_dirty": "200"}
"""Metadata of a server whose migration never converges."""
Sections = dict[str, dict[str, object]]


def configured(directory: pathlib.Path, **executor: object) -> Sections:
    """What the service is told: to move where ``wish.json`` says, and to answer failures with nothing but the truth.
    ``executor``: options of its section, over those that all have."""
    return {
        "DEFAULT": {"enabled_policies": "wish"},
        "policy:wish": {"driver": "target", "file": directory / "wish.json", "approval": "automatic"},
        "executor": {
            "poll_seconds": 0.5,
            "settle_seconds": 1.5,
            "abort_settle_seconds": 3,
            "request_settle_seconds": 20,
            "on_failure": "skip",
            "quarantine_failures": 0,
            "mode": "pre-copy",
            **executor,
        },
    }


def ask_for(service: Service, wish: Mapping[str, str]) -> str:
    """Have servers moved to hosts, by their ids; the id of the rearrangement."""
    content = {"format": "vmpath-placement/1", "placement": dict(wish)}
    (service.directory / "wish.json").write_text(json.dumps(content))
    return str(service.answer("rearrangement", "create", "wish", "--approve")["id"])


def ended(service: Service, identity: str, seconds: float = 600) -> dict[str, Any]:
    """The rearrangement when it has come to an end."""
    address = f"{service.url}/v1/rearrangements/{identity}"

    def look() -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = requests.get(address, timeout=30).json()
        except requests.RequestException:
            return None
        return found if found["state"] in ("succeeded", "failed", "cancelled") else None

    found: dict[str, Any] = wait_until(look, f"rearrangement {identity} has ended", seconds)
    return found


def migrations(service: Service, identity: str) -> dict[str, dict[str, Any]]:
    """By instance."""
    listed = requests.get(f"{service.url}/v1/rearrangements/{identity}/migrations?limit=1000", timeout=30).json()
    return {each["instance"]: each for each in listed["migrations"]}
