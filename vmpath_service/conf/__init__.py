"""Configuration options and their translation into settings values."""
