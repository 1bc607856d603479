"""``[constraints]``"""

from oslo_config import cfg

GROUP = "constraints"
OPTIONS = (
    cfg.ListOpt(
        "enabled",
        default=[
            "capacity",
            "server-groups",
            "availability-zones",
            "aggregates",
            "traits",
            "hypervisor",
            "isolation",
        ],
        help="Names of the rules that no placement on the way may break. One with options of its own reads them "
        "from a section [constraint:NAME].",
    ),
)
