"""Loading, resuming, and checkpoint callbacks under planted scores."""
