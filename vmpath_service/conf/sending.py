"""``[oslo_messaging_notifications]``: vmpath's own notifications, as every OpenStack service calls them"""

from oslo_config import cfg

GROUP = "oslo_messaging_notifications"
OPTIONS = (
    cfg.MultiStrOpt(
        "driver",
        default=[],
        help="How vmpath tells what happens: messagingv2 (or messaging, its older form) sends to the broker, log "
        "writes to the log, noop does nothing. May be given several times. Not set: nothing is sent.",
    ),
    cfg.StrOpt(
        "transport_url",
        secret=True,
        help="The message broker, as oslo.messaging writes it: rabbit://USER:PASSWORD@HOST:5672/VHOST, options of the "
        "driver after it as ?ssl=true&rabbit_quorum_queue=true. It may be the one of [notifications], on which vmpath "
        "only listens.",
    ),
    cfg.ListOpt(
        "topics",
        default=["notifications"],
        help="Topics to send to: the queues are TOPIC.info, TOPIC.warn and TOPIC.error.",
    ),
    cfg.IntOpt(
        "retry",
        default=-1,
        min=-1,
        help="How often a message that could not be sent is tried again before it is given up (logged and counted as "
        "dropped). -1: for as long as it takes; messages wait for the broker then.",
    ),
)
