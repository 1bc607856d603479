"""Programs and addresses of the operator's that vmpath calls: plug-ins of the stevedore group ``vmpath.hooks``."""
