"""From a placement to another: path, order, schedule, explanation, replay."""
