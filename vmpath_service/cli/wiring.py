"""What the command line needs of the layers above it: ``cmd`` hands it over, so that nothing is imported here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vmpath_service.cloud.live import NovaCloud
    from vmpath_service.model.options import OptionValue


class Wiring(Protocol):
    """Made by the entry point; every method imports what it needs when it is called."""

    def policy(
        self, name: str, files: Sequence[str], directories: Sequence[str]
    ) -> tuple[str, Mapping[str, OptionValue]] | None:
        """Driver and settings of a configured policy; None where there is no configuration, or none of this name
        in it. Raises InvalidFile where it is wrong."""

    def cloud(self, name: str | None, files: Sequence[str], directories: Sequence[str]) -> NovaCloud:
        """The live cloud: ``name`` from clouds.yaml, else what configuration or environment say."""
