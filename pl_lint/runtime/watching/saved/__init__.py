"""What a checkpoint holds and what it leaves out: states, arguments, who watches a key."""
