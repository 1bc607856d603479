"""vmpath: finds and walks the path of live migrations from one placement to another."""
