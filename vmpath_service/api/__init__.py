"""The HTTP API: falcon resources, one module per noun."""
