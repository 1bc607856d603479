"""Paths made one migration at a time: the cheapest that can be found quickly, without regard to time."""
