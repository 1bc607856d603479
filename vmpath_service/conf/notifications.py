"""``[notifications]``"""

from oslo_config import cfg

GROUP = "notifications"
OPTIONS = (
    cfg.StrOpt(
        "transport_url",
        secret=True,
        help="Message broker with Nova's versioned notifications, as oslo.messaging writes it: "
        "rabbit://USER:PASSWORD@HOST:5672/VHOST, options of the driver after it as ?ssl=true&rabbit_quorum_queue=true."
        " Not set: the cloud is only asked, never listened to.",
    ),
    cfg.StrOpt("exchange", default="nova", help="The exchange that Nova sends to (control_exchange in nova.conf)."),
    cfg.StrOpt(
        "topic",
        default="vmpath_notifications",
        help="A topic of vmpath's own among versioned_notifications_topics in nova.conf: whoever shares it takes "
        "messages away.",
    ),
    cfg.StrOpt(
        "pool",
        help="With several vmpath services on one topic, a name for each, so that each gets all messages. Not set: "
        "the queue of the topic itself is read, as it must be by one of them.",
    ),
    cfg.FloatOpt(
        "full_reading_seconds",
        default=300.0,
        min=0,
        help="For so long a list of all servers is kept and brought up to date by notifications and by asking what has"
        " changed; then all are listed again. 0: always. Nova tells of changed metadata only with "
        "notify_on_state_change = vm_and_task_state; without it they are seen so much later.",
    ),
)
