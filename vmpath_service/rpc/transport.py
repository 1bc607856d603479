"""oslo.messaging without eventlet."""

from __future__ import annotations

import warnings
from typing import Any

from oslo_config import cfg


def use_threads() -> None:
    """Choose threads over eventlet for all of oslo; has to be called before oslo.messaging is imported."""
    # other parts of oslo import eventlet where it is installed, only to look whether it is in use
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    from oslo_service import backend

    backend.init_backend(backend.BackendType.THREADING)


def make_transport(url: str = "fake://") -> Any:
    """The transport of calls; ``fake://`` joins what is in this process.

    On the global configuration: oslo.messaging registers its tracing options there, whatever it is given.
    """
    use_threads()
    import oslo_messaging

    return oslo_messaging.get_rpc_transport(cfg.CONF, url)
