"""Whether the same code gives the same numbers again."""
