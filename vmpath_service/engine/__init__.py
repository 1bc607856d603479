"""Life of a rearrangement: planning, approval, execution."""
