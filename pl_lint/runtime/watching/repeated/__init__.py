"""What makes two equal runs differ: where they begin, what they leave behind, what no seed governs."""
