"""Short schedules: paths that are laid out in time, where instances step aside before anybody is stuck."""
