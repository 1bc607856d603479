"""Plans as people look at them: text frames, a timeline. Pure: values in, text out."""
