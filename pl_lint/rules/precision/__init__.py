"""Half precision: what is scaled, what is too small for it, who casts."""
