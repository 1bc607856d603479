"""The HTTP side of the simulated cloud: one module per noun."""
