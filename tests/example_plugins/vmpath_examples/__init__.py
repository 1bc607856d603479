"""Plug-ins of vmpath: a constraint, a cost and a policy."""
