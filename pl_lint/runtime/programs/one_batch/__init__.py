"""One batch learnt by heart, and what its samples do to each other."""
