"""Answers in place of an API, for what the simulated cloud cannot be brought to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from vmpath_service.model.errors import NotFound


class Canned:
    """Answers by path, or by path and the resources asked for; keeps what was asked."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def get(
        self,
        path: str,
        answer: type[Any],
        *,
        microversion: str,
        parameters: Mapping[str, Any] | None = None,
        may_be_missing: bool = False,
    ) -> Any:
        key = f"{path} {parameters['resources']}" if parameters and "resources" in parameters else path
        if parameters and f"{key} in {parameters.get('in_tree')}" in self.answers:
            key = f"{key} in {parameters['in_tree']}"
        if parameters and "marker" in parameters:
            key = f"{path} after {parameters['marker']}"
        self.asked.append(key)
        if key not in self.answers:
            assert may_be_missing, f"nothing at {key}"
            raise NotFound(f"nothing at {key}")
        return msgspec.convert(self.answers[key], answer)
