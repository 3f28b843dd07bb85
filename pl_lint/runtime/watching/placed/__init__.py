"""What of a module is on which device, and whose lines put it there."""
