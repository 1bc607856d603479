"""``[database]``"""

from oslo_config import cfg

GROUP = "database"
OPTIONS = (
    cfg.StrOpt(
        "connection",
        secret=True,
        default="sqlite:///$state_path/vmpath.sqlite",
        help="The database as a URL of SQLAlchemy: sqlite:///PATH, mysql+pymysql://USER:PASSWORD@HOST/NAME or "
        "postgresql+psycopg2://USER:PASSWORD@HOST/NAME.",
    ),
    cfg.FloatOpt(
        "busy_seconds",
        default=30.0,
        min=0,
        help="How long to wait for another writer of an SQLite file, or for a free connection to a server.",
    ),
    cfg.IntOpt("max_pool_size", default=5, min=1, help="How many connections to a database server are kept open."),
    cfg.IntOpt("max_retries", default=10, min=1, help="How often to try to reach a database server before giving up."),
    cfg.FloatOpt("retry_interval", default=2.0, min=0, help="Seconds between two such tries."),
)
