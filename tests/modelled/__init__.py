"""A world in memory that fulfils the engine's ports: a cloud with a mind of its own, a store, a clock."""
