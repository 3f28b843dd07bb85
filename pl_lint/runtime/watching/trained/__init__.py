"""What training did: gradients, modes, stored values, schedules, hooks."""
