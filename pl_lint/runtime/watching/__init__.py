"""What is seen of a module while it runs, inside the child process.

``recorder`` sees what is logged, ``metrics`` the life of torchmetrics objects and ``replays`` what
they should have said, ``normalisers`` by what a value was divided, ``watcher`` when things happen.
"""
