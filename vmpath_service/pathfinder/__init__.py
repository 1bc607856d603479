"""From a placement to another: path, order, schedule, explanation, replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmpath_service.pathfinder.settings import PathSettings

if TYPE_CHECKING:
    from vmpath_service.pathfinder.finder import find_path
    from vmpath_service.pathfinder.replay import Figures, PlanCheck, check_plan

__all__ = ["Figures", "PathSettings", "PlanCheck", "check_plan", "find_path"]


def __getattr__(name: str) -> Any:
    # who finds paths seldom replays them, and the other way round; both take their time to be imported
    if name == "find_path":
        from vmpath_service.pathfinder.finder import find_path

        return find_path
    if name in __all__:
        from vmpath_service.pathfinder import replay

        return getattr(replay, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
