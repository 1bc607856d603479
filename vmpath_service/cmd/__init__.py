"""Entry points of the daemon and the command-line programs; the only wiring."""
