"""From configuration files to the plain settings that the rest of vmpath takes as arguments."""

from vmpath_service.cmd.configuration.load import Configuration, load, load_again
from vmpath_service.cmd.configuration.settings import ApiSettings, DatabaseSettings

__all__ = ["ApiSettings", "Configuration", "DatabaseSettings", "load", "load_again"]
