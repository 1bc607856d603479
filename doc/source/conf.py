"""Sphinx configuration."""

project = "vmpath"
copyright = "the vmpath contributors"
extensions = ["sphinx.ext.autodoc", "oslo_config.sphinxext"]
html_theme = "alabaster"
html_theme_options = {"description": "Live-migration path finding for OpenStack", "fixed_sidebar": True}
html_static_path: list[str] = []
exclude_patterns: list[str] = []
autodoc_typehints = "description"
nitpicky = False
