"""``[api]``"""

from oslo_config import cfg

GROUP = "api"
OPTIONS = (
    cfg.StrOpt(
        "bind_host",
        default="127.0.0.1",
        help="Address to listen on. Without authentication only a loopback address is allowed. vmpath does not speak "
        "TLS: let a proxy do that, and vmpath listen where only the proxy reaches it.",
    ),
    cfg.PortOpt("bind_port", default=9817, help="Port to listen on; 0 takes any free one."),
    cfg.IntOpt("threads", default=4, min=1, max=256, help="How many requests are answered at a time."),
    cfg.StrOpt(
        "auth_strategy",
        default="none",
        choices=[
            ("none", "whoever reaches the address may do everything: loopback addresses only"),
            ("http_basic", "name and password, from the file http_basic_auth_user_file"),
            ("keystone", "tokens of Keystone, which [keystone_authtoken] says how to judge"),
        ],
        help="How callers prove who they are.",
    ),
    cfg.StrOpt(
        "http_basic_auth_user_file",
        default="/etc/vmpath/htpasswd",
        help="With http_basic: users and their bcrypt digests, as 'htpasswd -B' of Apache writes them. It may change "
        "while the service runs.",
    ),
    cfg.ListOpt(
        "http_basic_readers",
        default=[],
        help="With http_basic: users who may look at everything and do nothing. All others may do everything.",
    ),
    cfg.ListOpt(
        "operator_projects",
        default=[],
        help="With keystone: ids of the projects in which the roles reader, member and manager count. They count in "
        "tokens for the whole system too; admin counts everywhere.",
    ),
)
