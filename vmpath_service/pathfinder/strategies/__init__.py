"""Ways to look for a path: plug-ins (``vmpath.pathfinders``)."""
