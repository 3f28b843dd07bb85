"""Which checkpoint is kept, what it holds, what is loaded from it, and which one is tested."""
