"""Constraints: what is sane. One module per plug-in of the group ``vmpath.constraints``."""
