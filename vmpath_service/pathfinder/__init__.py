"""From a placement to another: path, order, schedule, explanation, replay."""

from vmpath_service.pathfinder.finder import find_path
from vmpath_service.pathfinder.settings import PathSettings

__all__ = ["PathSettings", "find_path"]
