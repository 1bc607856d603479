"""Hosts, instances, server groups, placements and plans; file formats; constraints and costs."""
