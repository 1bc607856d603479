"""Short schedules: paths that are laid out in time, where instances step aside before anybody is stuck."""

# With so many instances to move, laying them out in time once takes longer than all else that is done.
MANY = 20_000
