"""Small runs under real loggers, whose stores are read back through their own readers."""
