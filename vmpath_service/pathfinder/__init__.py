"""From a placement to another: path, order, schedule, explanation, replay."""

from vmpath_service.pathfinder.finder import find_path
from vmpath_service.pathfinder.replay import Figures, PlanCheck, check_plan
from vmpath_service.pathfinder.settings import PathSettings

__all__ = ["Figures", "PathSettings", "PlanCheck", "check_plan", "find_path"]
