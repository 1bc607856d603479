"""``[nova]``"""

from oslo_config import cfg

GROUP = "nova"
CREDENTIALS = (
    cfg.StrOpt(
        "auth_url",
        help="Address of Keystone, for credentials written here instead of in clouds.yaml; needs username or "
        "application_credential_id too.",
    ),
    cfg.StrOpt("username", help="Name of the user."),
    cfg.StrOpt("password", secret=True, help="Password of the user."),
    cfg.StrOpt("user_domain_name", help="Domain of the user."),
    cfg.StrOpt("project_name", help="Name of the project."),
    cfg.StrOpt("project_domain_name", help="Domain of the project."),
    cfg.StrOpt("application_credential_id", help="Application credential (auth_type v3applicationcredential)."),
    cfg.StrOpt("application_credential_secret", secret=True, help="Secret of the application credential."),
)
"""Those of the usual kinds of authentication; any other kind adds what keystoneauth says it takes."""

OPTIONS = (
    cfg.StrOpt(
        "cloud",
        help="Name of the cloud in clouds.yaml. Neither this nor auth_url set: the OS_* environment variables.",
    ),
    cfg.ListOpt("clouds_files", default=[], help="clouds.yaml files to read instead of the usual ones."),
    cfg.StrOpt(
        "auth_type",
        help="Kind of authentication, as keystoneauth calls it. Not set: password, or what clouds.yaml says.",
    ),
    *CREDENTIALS,
    cfg.StrOpt("region_name", help="Region of the cloud."),
    cfg.StrOpt("interface", choices=["public", "internal", "admin"], help="Which endpoints of the catalogue to use."),
    cfg.StrOpt("cafile", help="File of certificates that the cloud's TLS certificates are checked against."),
    cfg.BoolOpt(
        "insecure",
        default=False,
        help="Take any TLS certificate for the cloud's; whoever is in between then learns the password.",
    ),
    cfg.FloatOpt("connect_timeout", default=10.0, min=0.1, help="Seconds that a connection may take."),
    cfg.FloatOpt("read_timeout", default=60.0, min=0.1, help="Seconds that an answer may take."),
    cfg.IntOpt("attempts", default=4, min=1, help="How often a request that reads is sent at most; others: once."),
    cfg.FloatOpt("longest_wait", default=10.0, min=0, help="Seconds at most between two such attempts."),
    cfg.FloatOpt(
        "token_margin_seconds",
        default=600.0,
        min=0,
        help="A live migration is asked for with a token that has at least so many seconds left: vmpath authenticates "
        "anew before, at most once a minute. As long as the longest migrations take; 0: never.",
    ),
    cfg.IntOpt(
        "looks_per_second",
        default=15,
        min=0,
        help="How many requests to Nova and Placement all looks at migrations under way and at their hosts may take "
        "in any second; readings of the whole cloud and the requests to migrate are not held back. 0: any number.",
    ),
    cfg.IntOpt("workers", default=4, min=1, max=64, help="How many requests are under way at a time."),
    cfg.IntOpt("page_size", default=1000, min=1, help="How many servers one answer lists at most."),
    cfg.IntOpt("rounds", default=4, min=1, help="How often the cloud is read again when it changed while being read."),
    cfg.StrOpt(
        "movable_key",
        default="vmpath:movable",
        help="Key in the metadata of an instance and in the extra specs of its flavor that says how it may be moved: "
        "live, cold or no. Where both say something, either may forbid it.",
    ),
    cfg.StrOpt(
        "mode_key",
        default="vmpath:mode",
        help="Key in the metadata of an instance and in the extra specs of its flavor that says how its memory may be "
        "copied: pre-copy, post-copy or auto. Where either says pre-copy, post-copy is forbidden.",
    ),
    cfg.StrOpt(
        "cell_key",
        default="vmpath:cell",
        help="Key in the metadata of aggregates that says in which cell their hosts are.",
    ),
    cfg.BoolOpt(
        "read_ports",
        default=False,
        help="Whether to ask Neutron which servers have devices of their hosts as ports (SR-IOV and the like). "
        "Neutron must take the user for an administrator, else it silently shows the ports of one project.",
    ),
    cfg.BoolOpt(
        "move_stopped",
        default=False,
        help="Whether a stopped instance is cold-migrated that says nothing of how it may be moved. One that says "
        "cold is, whatever this says; one that says live or no is not.",
    ),
    cfg.ListOpt(
        "live_migratable_aliases",
        default=[],
        help="Names of those aliases in [pci] of nova.conf that have live_migratable = yes: an instance whose flavor "
        "asks for no other PCI device can be live-migrated.",
    ),
)
