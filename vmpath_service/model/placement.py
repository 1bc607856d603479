"""Where instances should be (``vmpath-placement/1``)."""

from __future__ import annotations

from typing import Literal

import msgspec

from vmpath_service.model.snapshot import Name

FORMAT: Literal["vmpath-placement/1"] = "vmpath-placement/1"


class Placement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Instance to host; null: gone from the target. Who is not named stays where it is."""

    placement: dict[Name, Name | None]
    format: Literal["vmpath-placement/1"] = FORMAT
