"""Commands of the vmpath program (cliff)."""
