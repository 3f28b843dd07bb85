"""The same fit again: in another process, under another hash seed, with its sources held still."""
