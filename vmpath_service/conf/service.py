"""``[DEFAULT]``"""

from oslo_config import cfg

GROUP = "DEFAULT"
OPTIONS = (
    cfg.StrOpt(
        "state_path",
        default="/var/lib/vmpath",
        help="Directory of what vmpath keeps: its SQLite database, unless [database] connection says otherwise.",
    ),
    cfg.ListOpt(
        "enabled_policies",
        help="Names of the policies on offer. Each is configured by a section [policy:NAME]; one without a section "
        "is the driver of that name with its defaults. Not set: every policy that has a section, and all drivers of "
        "vmpath.",
    ),
)
