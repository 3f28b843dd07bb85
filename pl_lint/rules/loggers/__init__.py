"""What goes to loggers: through which of them, along which axis, under which names."""
