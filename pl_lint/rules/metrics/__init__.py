"""Rules about metric objects."""
