"""What makes two equal runs differ: beginnings, leftovers, and what no seed governs."""
