"""``[maintenance]``"""

from oslo_config import cfg

GROUP = "maintenance"
OPTIONS = (
    cfg.FloatOpt(
        "return_seconds",
        default=1800.0,
        min=1,
        help="How long the hosts of a maintenance may take to be up again after the work on them; then it has failed, "
        "and they stay disabled.",
    ),
    cfg.FloatOpt(
        "settle_seconds",
        default=10.0,
        min=0,
        help="For how long they have to be up before they are taken into service again.",
    ),
    cfg.FloatOpt(
        "late_seconds",
        default=3600.0,
        min=0,
        help="How late a maintenance may begin, where vmpath was not running or the cloud did not answer at its "
        "start. One that is later than that fails: the time that was agreed for it is over.",
    ),
)
