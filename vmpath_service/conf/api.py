"""``[api]``"""

from oslo_config import cfg

GROUP = "api"
OPTIONS = (
    cfg.StrOpt(
        "bind_host",
        default="127.0.0.1",
        help="Address to listen on. Without authentication only a loopback address is allowed.",
    ),
    cfg.PortOpt("bind_port", default=9817, help="Port to listen on; 0 takes any free one."),
    cfg.IntOpt("threads", default=4, min=1, max=256, help="How many requests are answered at a time."),
    cfg.StrOpt(
        "auth_strategy",
        default="none",
        choices=[("none", "whoever reaches the address may do everything: loopback addresses only")],
        help="How callers prove who they are.",
    ),
)
