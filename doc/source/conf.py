"""Sphinx configuration."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "vmpath"
copyright = "the vmpath contributors"
extensions = ["sphinx.ext.autodoc", "oslo_config.sphinxext", "vmpath_reference"]
html_theme = "alabaster"
html_theme_options = {"description": "Live-migration path finding for OpenStack", "fixed_sidebar": True}
html_static_path: list[str] = []
exclude_patterns: list[str] = []
autodoc_typehints = "description"
nitpicky = False
