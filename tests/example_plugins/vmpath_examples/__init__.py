"""Plug-ins of vmpath: a constraint and a cost."""
