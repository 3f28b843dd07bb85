"""The small fit that most checks judge."""
