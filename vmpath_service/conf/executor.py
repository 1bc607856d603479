"""``[executor]``"""

from oslo_config import cfg

GROUP = "executor"
OPTIONS = (
    cfg.IntOpt("per_source", default=2, min=1, help="How many migrations may leave a host at a time."),
    cfg.IntOpt("per_destination", default=2, min=1, help="How many migrations may come to a host at a time."),
    cfg.IntOpt("in_total", default=40, min=1, help="How many migrations may be under way at a time."),
    cfg.IntOpt(
        "per_group",
        default=1,
        min=0,
        help="How many members of a server group, or of a group that group_keys name, may be under way at a time; "
        "0: any number.",
    ),
    cfg.ListOpt(
        "group_keys",
        default=["vmpath:keep_with", "vmpath:keep_from"],
        help="Keys of metadata: instances with the same value of one of them are a group.",
    ),
    cfg.IntOpt(
        "per_project",
        default=0,
        min=0,
        help="How many instances of a project a rearrangement may have under way at a time; 0: any number.",
    ),
    cfg.IntOpt(
        "per_zone",
        default=0,
        min=0,
        help="How many migrations may leave or reach an availability zone at a time; 0: any number.",
    ),
    cfg.IntOpt(
        "per_link",
        default=0,
        min=0,
        help="How many migrations may go over a shared link of the network at a time, as declared by link of an "
        "aggregate; 0: any number.",
    ),
    cfg.IntOpt(
        "warm_up",
        default=0,
        min=0,
        help="So many migrations of a rearrangement are done one by one before the limits hold.",
    ),
    cfg.StrOpt(
        "pace",
        default="streaming",
        choices=["streaming", "waves"],
        help="streaming: a migration starts as soon as all that it waits for has ended. waves: not before all of the "
        "waves of the plan before its own have ended.",
    ),
    cfg.StrOpt(
        "no_go",
        default="",
        help="When no migration is started, whatever the policy: windows such as 08:00-18:00 mon-fri, separated by "
        "commas; UTC, unless a time zone is named last. An instance may name windows of its own, see no_go_key.",
    ),
    cfg.StrOpt(
        "no_go_key", default="vmpath:no_go", help="Key of metadata in which an instance names windows of its own."
    ),
    cfg.FloatOpt(
        "cool_down_seconds",
        default=0.0,
        min=0,
        help="For so long after another rearrangement has moved an instance it is not moved again.",
    ),
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
    cfg.StrOpt(
        "when_stuck",
        default="tell",
        choices=["tell", "abort"],
        help="What is done about it then. An abort may cost the instance its state in Nova.",
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
    cfg.StrOpt(
        "on_failure",
        default="replan",
        choices=["retry", "other-destination", "skip", "replan", "rollback", "stop"],
        help="What is done when a migration has failed for good. retry: nothing but its retries; what waits for it is "
        "left out, the rest goes on. skip: the same, without retries. other-destination: another host that takes it "
        "in. replan: a new plan for the rest, from what is there by then. rollback: what was moved goes back. stop: "
        "nothing more starts. Whatever it is, an instance in ERROR is left to a person.",
    ),
    cfg.IntOpt(
        "max_destinations", default=2, min=0, help="How many other destinations are tried for one migration."
    ),
    cfg.IntOpt("max_replans", default=3, min=0, help="How many new plans are made for one rearrangement."),
    cfg.IntOpt(
        "max_failure_percent",
        min=0,
        max=100,
        help="Nothing more is started once more than this share of the migrations of a rearrangement has failed; not "
        "set: however many.",
    ),
    cfg.IntOpt("failure_sample", default=5, min=1, help="So many must have ended before that share counts."),
    cfg.IntOpt(
        "quarantine_failures",
        default=3,
        min=0,
        help="After so many failed migrations in a row nothing is moved to or from a host; 0: never. vmpath host "
        "release frees it.",
    ),
    cfg.FloatOpt(
        "quarantine_seconds",
        default=3600.0,
        min=0,
        help="For how long; then one migration at a time is tried, and the first that is done frees the host.",
    ),
    cfg.StrOpt(
        "mode",
        default="auto",
        choices=["pre-copy", "post-copy", "auto"],
        help="How live migrations copy memory, unless policy or instance say otherwise. post-copy: switched after all "
        "of the memory has been copied once. auto: switched when it does not converge. pre-copy: never. Only where an "
        "aggregate declares post_copy_permitted = yes, and never against the will of an instance.",
    ),
    cfg.StrOpt(
        "when_not_converging",
        default="post-copy",
        choices=["wait", "post-copy", "pause", "abort"],
        help="What is done when memory is written faster than copied. wait: nothing. post-copy: it is switched, where "
        "that is permitted. pause: the guest stands still until the rest is copied, where post_copy_permitted = no is "
        "declared. abort: the last resort, as it may cost the instance its state in Nova.",
    ),
    cfg.FloatOpt(
        "copy_seconds_per_gib",
        default=120.0,
        min=0,
        help="A migration does not converge if it takes, or is predicted to take, more seconds than this for every "
        "GiB of memory.",
    ),
    cfg.FloatOpt("copy_seconds", default=120.0, min=0, help="So many seconds are allowed in any case."),
    cfg.FloatOpt(
        "stall_seconds",
        default=60.0,
        min=1,
        help="It does not converge either if what is left has not become smaller for so long.",
    ),
    cfg.FloatOpt(
        "max_downtime_seconds",
        min=0,
        help="A guest is not paused if it is predicted to stand still for longer; not set: for however long.",
    ),
    cfg.FloatOpt(
        "abort_settle_seconds",
        default=15.0,
        min=3,
        help="A migration that was cancelled is looked at again after so long, as Nova may yet put it in ERROR.",
    ),
    cfg.BoolOpt(
        "reset_state",
        default=False,
        help="Whether an instance is called ACTIVE again that Nova calls ERROR after an abort by vmpath, if it holds "
        "room on its source alone, and Nova cannot have switched it to post-copy (timeout_action).",
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
