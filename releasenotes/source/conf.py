"""Sphinx configuration of the release notes."""

project = "vmpath release notes"
copyright = "the vmpath contributors"
extensions = ["reno.sphinxext"]
html_theme = "alabaster"
