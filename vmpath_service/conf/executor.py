"""``[executor]``"""

from oslo_config import cfg

GROUP = "executor"
OPTIONS = (
    cfg.IntOpt("per_source", default=2, min=1, help="How many migrations may leave a host at a time."),
    cfg.IntOpt("per_destination", default=2, min=1, help="How many migrations may come to a host at a time."),
    cfg.IntOpt("in_total", default=40, min=1, help="How many migrations may be under way at a time."),
    cfg.IntOpt(
        "max_rearrangements", default=16, min=1, help="How many rearrangements are planned or carried out at a time."
    ),
    cfg.FloatOpt("poll_seconds", default=2.0, min=0.05, help="Seconds between two looks at what goes on in Nova."),
    cfg.FloatOpt(
        "settle_seconds",
        default=5.0,
        min=0,
        help="What looks like the end of a migration is looked at again after so long.",
    ),
    cfg.FloatOpt(
        "request_settle_seconds",
        default=120.0,
        min=0,
        help="How long a request may be on its way: the longest time-out of any proxy before Nova, and what Nova's "
        "queues may take. A request without an answer is waited out for so long.",
    ),
    cfg.FloatOpt(
        "start_wait_seconds",
        default=300.0,
        min=0,
        help="How long a migration that could start otherwise waits for its destination to have room or its "
        "instance to be idle.",
    ),
    cfg.FloatOpt(
        "verify_seconds",
        default=120.0,
        min=0,
        help="How long after the end of a migration its instance may take to show it.",
    ),
    cfg.FloatOpt(
        "stuck_seconds",
        default=600.0,
        min=1,
        help="A migration that shows no change for so long is reported.",
    ),
    cfg.IntOpt(
        "retries",
        default=2,
        min=0,
        help="How often a migration is tried again that came to nothing in Nova, its instance being on its host as it "
        "was before. One that was refused or cancelled is not tried again.",
    ),
    cfg.FloatOpt(
        "retry_seconds",
        default=30.0,
        min=0,
        help="How long after such a failure; twice as long each time after. A request without an answer is first "
        "waited out for request_settle_seconds.",
    ),
    cfg.FloatOpt(
        "lease_seconds",
        default=30.0,
        min=1,
        help="An engine that has given no sign of life in the database for so long is taken for dead: another engine "
        "on the same database takes over what it holds.",
    ),
    cfg.FloatOpt(
        "stop_seconds", default=30.0, min=0, help="How long the service waits for its threads when it is told to end."
    ),
)
