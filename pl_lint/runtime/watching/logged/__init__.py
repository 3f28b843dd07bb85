"""What a run logged: every call, every metric, every value."""
