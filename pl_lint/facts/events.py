"""What a run saw: the vocabulary of the runner. Plain, serialisable data."""
