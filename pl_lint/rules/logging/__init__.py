"""Rules about what is logged, and how."""
