"""Where tensors are, and who decides it."""
