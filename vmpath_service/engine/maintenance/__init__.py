"""Maintenances: hosts are emptied, worked on, and taken into service again."""
