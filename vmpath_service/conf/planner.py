"""``[planner]``"""

from oslo_config import cfg

GROUP = "planner"
OPTIONS = (
    cfg.FloatOpt("timeout", default=600.0, min=1, help="Seconds after which making a plan is given up."),
    cfg.IntOpt(
        "processes", default=2, min=1, max=64, help="How many plans are made at a time, each in a process of its own."
    ),
    cfg.StrOpt(
        "cost",
        default="memory",
        help="What a migration costs, for the choice between ways: memory, dirty-memory, seconds, count, weighted, or"
        " a plug-in of the entry point group vmpath.costs.",
    ),
    cfg.MultiStrOpt("cost_option", default=[], help="An option of the cost, as OPTION=VALUE; may be given again."),
    cfg.StrOpt(
        "strategy",
        default="layered",
        help="How to look for a path: layered, exact (for small clouds), greedy, or a plug-in of the entry point group"
        " vmpath.pathfinders.",
    ),
    cfg.FloatOpt(
        "migration_mbps", default=8000.0, min=1, help="Rate at which a live migration copies memory, in Mbit/s."
    ),
)
